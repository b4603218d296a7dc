/* SPDX-License-Identifier: GPL-2.0 */
/* The life of a pager, in its order. */
#ifndef PVFAULT_RUN_H
#define PVFAULT_RUN_H

struct pager;

/**
 * run() - page a domain until it is gone, or the pager is asked to end
 * @p: zeroes, except its options and its interface to Xen
 *
 * Return: an enum exitcode; if it isn't EXIT_DONE, it has said why.
 */
int run(struct pager *p);

/* Its two halves, for tests: up to the loop, and after it. They return as run(). */
int run_attach(struct pager *p);
int run_detach(struct pager *p, int code);

/*
 * The remaining steps in XenStore after a takeover, each once. Pages are served without
 * them, too, so a failure is no reason to leave.
 * Return: 0 if nothing is left, or an enum exitcode after saying why.
 */
int run_steps(struct pager *p);

#endif /* PVFAULT_RUN_H */
