/* SPDX-License-Identifier: GPL-2.0 */
/* The xenbus device: the backend's half of the states in io/pvfault.h. */
#ifndef PVFAULT_DEVICE_H
#define PVFAULT_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "offer.h"

struct pager;

/* As in xen/io/xenbus.h, which is Xen's. */
enum xenbus_state {
	XB_UNKNOWN = 0,
	XB_INITIALISING = 1,
	XB_INITWAIT = 2,
	XB_INITIALISED = 3,
	XB_CONNECTED = 4,
	XB_CLOSING = 5,
	XB_CLOSED = 6,
	XB_RECONFIGURING = 7,
	XB_RECONFIGURED = 8,
};

/**
 * enum device_phase - where the backend is, and what it shows
 * @DEVICE_NONE: there is no device (--unsafe-offer)
 * @DEVICE_CLOSED: Closed. Every page is there, nothing is mapped
 * @DEVICE_WAITING: InitWait
 * @DEVICE_SERVING: Connected
 * @DEVICE_SHRINKING: Connected; bringing back what isn't offered any more
 * @DEVICE_SHRUNK: Reconfigured
 * @DEVICE_DRAINING: as before; bringing back everything
 * @DEVICE_CLOSING: Closing; every page is there, the frontend has yet to answer
 */
enum device_phase {
	DEVICE_NONE,
	DEVICE_CLOSED,
	DEVICE_WAITING,
	DEVICE_SERVING,
	DEVICE_SHRINKING,
	DEVICE_SHRUNK,
	DEVICE_DRAINING,
	DEVICE_CLOSING,
};

/**
 * struct device - the device
 * @phase: see above
 * @frontend: the last state that the frontend showed
 * @ours_to_close: we leave: DRAINING ends in Closing, and WAITING comes from us
 * @bad_neighbour: there is a device beside which no page may be taken
 * @offer_waits: it was changed too often, and is looked at later
 * @offers_left: so often it may change now
 * @deadline_ns: of DEVICE_CLOSING; or when CLOSED may become WAITING
 * @front: the frontend's front page, mapped, or NULL
 * @ring: its ring pages, mapped side by side, or NULL
 * @ring_pages: how many pages @ring has
 * @port: local event channel, or -1
 * @max_outstanding: tokens without READY
 * @clear: the frontend uses feature-clear
 * @generation: part of our tokens
 * @serial: of the offer that was read last
 * @again_ns: when to say READY for all once more; or 0
 * @offer: what is to be offered from the end of SHRINKING on
 */
struct device {
	enum device_phase phase;
	enum xenbus_state frontend;
	bool ours_to_close, bad_neighbour, offer_waits;
	unsigned int offers_left;
	uint64_t deadline_ns;
	const void *front;
	void *ring;
	unsigned int ring_pages;
	int port;
	uint32_t max_outstanding;
	bool clear;
	uint32_t generation, serial;
	uint64_t again_ns;
	struct offer offer;
};

/* Make the folders, or take over those of an earlier life. Return: exitcode */
int device_start(struct pager *p);

/* Something has changed in the frontend's folder. */
void device_changed(struct pager *p);

/* Go on, after pages have come back or time has passed. */
void device_run(struct pager *p);

/* Once a second, look for changes that send no event. */
void device_tick(struct pager *p);

/* The backend leaves: bring everything back, then Closing, then Closed. */
void device_leave(struct pager *p);
bool device_closed(const struct device *d);

/* Is a frontend connected, which can be notified? May pages be taken away? */
bool device_tells(const struct device *d);
bool device_may_evict(const struct device *d);

/* The domain is no more. */
void device_gone(struct pager *p);

/* One sentence to stderr and to the backend's error node. */
void device_error(struct pager *p, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* device_nodes.c: the path of one of our nodes, or of our folder if @name is NULL. */
void device_path(const struct pager *p, const char *name, char *path, size_t size);

/* Make both folders; ours in InitWait. Return: 0 or a negative errno. */
int device_make(struct pager *p);

#endif /* PVFAULT_DEVICE_H */
