/* SPDX-License-Identifier: GPL-2.0 */
/* The producer of the READY ring, as io/pvfault.h describes it. */
#ifndef PVFAULT_READY_H
#define PVFAULT_READY_H

#include <stdbool.h>
#include <stdint.h>

#include "../../include/xen/interface/io/pvfault.h"

/**
 * struct ready - our end of the ring
 * @front: the frontend's page; each of its words may change at any time
 * @ring: ours; read once, when it is attached
 * @length: a power of two
 * @prod: as the next flush writes it
 * @all: as the next flush writes it
 * @flushed_prod: as the frontend can see it
 * @flushed_all: as the frontend can see it
 */
struct ready {
	const struct xen_pvfault_front *front;
	struct xen_pvfault_ring *ring;
	uint32_t length;
	uint32_t prod, all;
	uint32_t flushed_prod, flushed_all;
};

/**
 * ready_attach() - begin where the ring is
 * @r: our end
 * @front: front page, mapped
 * @ring: ring pages, mapped side by side
 * @length: XEN_PVFAULT_RING_LENGTH() of them
 *
 * A ring that has been used by an earlier life of this backend goes on; a new
 * one is full of zeroes.
 */
void ready_attach(struct ready *r, const void *front, void *ring, uint32_t length);
void ready_detach(struct ready *r);
bool ready_attached(const struct ready *r);

/* In which modes this vCPU may be notified: XEN_PVFAULT_TELL_*. */
uint8_t ready_tell(const struct ready *r, uint32_t vcpu);

/*
 * The address of the instruction that touches pages to be cleared next, and what
 * RDI is then for gfn 0. Return: whether there is one.
 */
bool ready_clear(const struct ready *r, uint64_t *ip, uint64_t *base);

/* How many tokens the frontend hasn't taken; the length if it makes no sense. */
uint32_t ready_pending(const struct ready *r);

/* Say READY, seen by the frontend after ready_flush(). Return: there was room. */
bool ready_put(struct ready *r, uint64_t token);
void ready_all(struct ready *r);

/* Return: true if the frontend must be notified. */
bool ready_flush(struct ready *r);

#endif /* PVFAULT_READY_H */
