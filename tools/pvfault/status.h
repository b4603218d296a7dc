/* SPDX-License-Identifier: GPL-2.0 */
/* Asking a running pager: a socket for each domain, and the programs that ask. */
#ifndef PVFAULT_STATUS_H
#define PVFAULT_STATUS_H

#include <stdbool.h>
#include <stdint.h>

#define STATUS_FOLDER	"/run/pvfault"

struct pager;

/* Where the pager of a domain can be asked: the address of its socket. */
struct sockaddr_un;
void status_address(const char *folder, uint32_t domid, struct sockaddr_un *address);

/* Begin to listen. If that fails the pager says so, and serves all the same. */
void status_open(struct pager *p, const char *folder);

/* Send all counters to each waiting client, at once or not at all. */
void status_tell(struct pager *p);

/* No page is out any more, so the socket is removed. */
void status_close(struct pager *p);

/**
 * ask_status() - pvfault-pager --status
 * @domid: the domain of the pager that is asked
 * @folder: of its socket
 * @json: as one object: "schema", which is 1 until a name changes its meaning,
 *	"domid", and each counter by its name; all of them whole numbers
 *
 * Return: 0 or an enum exitcode; then it has said why.
 */
int ask_status(uint32_t domid, const char *folder, bool json);

/**
 * ask_drain() - pvfault-pager --drain: let it bring back everything, and end
 * @domid: the domain of the pager that is asked
 * @folder: of its socket
 *
 * Waits as long as that takes, and says how far it is.
 *
 * Return: 0 when it has; or an enum exitcode; then it has said why.
 */
int ask_drain(uint32_t domid, const char *folder);

#endif /* PVFAULT_STATUS_H */
