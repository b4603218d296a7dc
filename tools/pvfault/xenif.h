/* SPDX-License-Identifier: GPL-2.0 */
/*
 * All functions of Xen that the pager uses.
 *
 * Only the files behind it (xenif*.c, vmring.c) use Xen's libraries; tests are linked with
 * a simulated Xen in their place. One interface serves one domain. Functions return 0, or a
 * negative errno, unless they say otherwise.
 */
#ifndef PVFAULT_XENIF_H
#define PVFAULT_XENIF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define XEN_PAGE	4096U

/* Xen's ring has 8 places; one is left for a touch from dom0. */
#define XENIF_SAFE_VCPUS	7U

#define XENIF_BACK		64U

/**
 * struct xenif_domain - what Xen knows about the domain
 * @dying: its memory is being taken down
 * @shutdown: it doesn't run any more, and still has its memory
 * @paused: a toolstack has stopped it
 * @hvm: HVM or PVH, not PV
 * @emulated: HVM, with devices that QEMU emulates
 * @built: the toolstack has given it all that paging needs
 * @nr_vcpus: one more than the highest id
 * @tot_pages: pages that it has now
 * @max_pages: pages that it may have
 * @max_gfn: the highest that it uses
 * @paged_pages: pages that are out, as Xen counts them. It miscounts when the guest
 *	gives a page away while there is no ring, or one that was touched on its way
 *	out: see audit.h
 * @uuid: stays the same when the number is used again
 */
struct xenif_domain {
	bool dying, shutdown, paused, hvm, emulated, built;
	unsigned int nr_vcpus;
	uint64_t tot_pages, max_pages, max_gfn;
	int64_t paged_pages;
	uint8_t uuid[16];
};

/**
 * struct xenif_request - a mem-paging request
 * @gfn: the page
 * @vcpu: the vCPU that touched it, if @paused
 * @paused: this vCPU stands still until the request is answered
 * @foreign: another domain touched it, or a toolstack did
 * @dropped: the guest gave the page away; nothing to bring back
 * @present: the page was nominated only, and has been taken back by the touch
 */
struct xenif_request {
	uint64_t gfn;
	uint32_t vcpu;
	bool paused, foreign, dropped, present;
};

/**
 * struct xenif_vcpu - the state of a vCPU that is paused
 * @cpl: current privilege level
 * @interrupts: RFLAGS.IF
 * @event: one waits to be injected, or was being delivered
 * @rip: the instruction that it is to execute
 * @rdi: this register
 */
struct xenif_vcpu {
	unsigned int cpl;
	bool interrupts, event;
	uint64_t rip, rdi;
};

/**
 * struct xenif_node - a node of XenStore to be made
 * @path: absolute
 * @value: what it holds
 * @owner: a domain that may read and write it, and all below; or -1, as above
 * @reader: a domain that may read it
 */
struct xenif_node {
	const char *path, *value;
	int owner, reader;
};

/**
 * struct xenif - an interface to one domain
 * @domid: the domain
 * @event_fd: readable when an event channel is pending
 * @store_fd: readable when a watch has fired
 */
struct xenif {
	uint32_t domid;
	int event_fd, store_fd;
};

/**
 * xenif_open() - connect to Xen
 * @name: the domain, as number or as name
 * @x: where to put the interface
 *
 * Return: 0, or an enum exitcode after saying why.
 */
int xenif_open(const char *name, struct xenif **x);

/* Gives back everything; doesn't disable paging. */
void xenif_close(struct xenif *x);

/* Tells about the domain. -ESRCH: there is none any more. */
int xenif_domain(struct xenif *x, struct xenif_domain *domain);

/*
 * Is there a domain with this number and UUID? 1: yes. 0: it is gone. An error isn't an
 * answer.
 */
int xenif_alive(struct xenif *x, uint32_t domid, const uint8_t *uuid);

/* Shuts the domain down with reason crash, so that its on_crash applies. */
int xenif_crash(struct xenif *x);

/* Pauses all of its vCPUs; nests with pauses of others. */
int xenif_pause(struct xenif *x);

/* Undo of xenif_pause(). -EINVAL: it isn't paused. */
int xenif_unpause(struct xenif *x);

/*
 * Attaches to the domain's mem-paging ring. -ENOSYS: this Xen was built without it.
 * -EBUSY: another pager is, or was. -ENODEV: no HAP. -EMLINK: passthrough. -EXDEV:
 * populate-on-demand. -EOPNOTSUPP: dom0 isn't PV, or the domain was built without a ring
 * page.
 */
int xenif_enable(struct xenif *x);

/*
 * As xenif_enable(), of a paused domain that its pager left by dying: all vCPUs that it held will
 * touch their pages once more. What it had taken and not evicted, and what was touched
 * since, has to be found and put right: see adopt.c. -EUSERS: more vCPUs wait for the ring
 * than it has places.
 */
int xenif_takeover(struct xenif *x);

/* Detaches. -EBUSY: a vCPU waits for a place in the ring; try again. */
int xenif_disable(struct xenif *x);

/* Makes the page inaccessible, its content stays. -EBUSY: in use. */
int xenif_nominate(struct xenif *x, uint64_t gfn);

/* Copies nominated pages out; @err tells of each one. */
void xenif_copy(struct xenif *x, unsigned int nr, const uint64_t *gfn, void **to, int *err);

/* Takes a nominated page away. -EBUSY: in use, or taken back. */
int xenif_evict(struct xenif *x, uint64_t gfn);

/*
 * Gives a page that is out this content and the guest access to it. -ENOMEM: no memory
 * for it now. -ENOENT: it isn't out (any more). -ESRCH: the domain is gone, or is being
 * destroyed.
 */
int xenif_load(struct xenif *x, uint64_t gfn, const void *page);

/*
 * Gives access to a page that a touch has taken back from nomination. -ENOENT: there is
 * nothing to give. -EINVAL: the page is out.
 */
int xenif_prep(struct xenif *x, uint64_t gfn);

/*
 * Takes a nominated page back. Xen has no operation for it, so this makes Xen behave as
 * after a touch. -EAGAIN: the ring is full, try again.
 */
int xenif_settle(struct xenif *x, uint64_t gfn);

/*
 * These pages are there again, and have to be sent if the domain is being migrated live;
 * Xen doesn't count that as a change. At most XENIF_BACK.
 */
void xenif_came_back(struct xenif *x, unsigned int nr, const uint64_t *gfn);

/* The next request from the ring, if there is one. */
bool xenif_next_request(struct xenif *x, struct xenif_request *req);

/*
 * Every request is answered exactly once, even if no vCPU waits, because the answer gives
 * back its place in the ring.
 */
void xenif_answer(struct xenif *x, const struct xenif_request *req);

/* Hands over what was answered since the last time. */
void xenif_flush_answers(struct xenif *x);

/* Waits until the vCPU stands still, and tells its state. */
int xenif_vcpu(struct xenif *x, uint32_t vcpu, struct xenif_vcpu *state);

/*
 * Gives the paused vCPU a #PF with this CR2 to take; @user: it is at CPL 3. -EBUSY: there
 * is one already.
 */
int xenif_inject(struct xenif *x, uint32_t vcpu, bool user, uint64_t cr2);

/* Maps a granted page read-only. */
int xenif_map_front(struct xenif *x, uint32_t ref, const void **page);

/* Maps granted pages side by side. */
int xenif_map_ring(struct xenif *x, unsigned int nr, uint32_t *ref, void **pages);

/* Unmaps either. */
void xenif_unmap(struct xenif *x, const void *pages, unsigned int nr);

/* Binds the domain's port @remote. Return: the local one, or an error. */
int xenif_bind(struct xenif *x, uint32_t remote);

/* Of a local port. */
void xenif_unbind(struct xenif *x, int local);

/* Notifies the other end of a local port. */
void xenif_notify(struct xenif *x, int local);

/*
 * The value of a node, to be freed, or NULL and errno: ENOENT if there is none, EINVAL if
 * it holds a zero octet.
 */
char *xenif_read(struct xenif *x, const char *path);

/* The names of the nodes in a folder, to be freed at once; or NULL and errno. */
char **xenif_list(struct xenif *x, const char *path, unsigned int *nr);

/* Makes or changes a node. */
int xenif_write(struct xenif *x, const char *path, const char *value);

/* Makes nodes, all or none. */
int xenif_make(struct xenif *x, unsigned int nr, const struct xenif_node *node);

/* Removes a node and what is below it; none there is no error. */
int xenif_remove(struct xenif *x, const char *path);

/* From now on xenif_next_watch() tells when something changes at or below @path. */
int xenif_watch(struct xenif *x, const char *path, const char *token);

/* The token of a watch that fired, or NULL. Doesn't wait. */
const char *xenif_next_watch(struct xenif *x);

/* Takes note of the event channels that are pending. */
void xenif_clear_events(struct xenif *x);

#endif /* PVFAULT_XENIF_H */
