// SPDX-License-Identifier: GPL-2.0
/* The producer of the READY ring, see ready.h. */

#include <assert.h>
#include <endian.h>
#include <stdatomic.h>
#include <stddef.h>

#include "ready.h"

static_assert(__BYTE_ORDER == __LITTLE_ENDIAN, "the ring is little-endian");
static_assert(sizeof(struct xen_pvfault_front) == 4096, "one page");
static_assert(offsetof(struct xen_pvfault_front, event) == 4, "layout");
static_assert(offsetof(struct xen_pvfault_front, clear_ip) == 8, "layout");
static_assert(offsetof(struct xen_pvfault_front, clear_base) == 16, "layout");
static_assert(offsetof(struct xen_pvfault_front, tell) == 64, "layout");
static_assert(offsetof(struct xen_pvfault_ring, all) == 4, "layout");
static_assert(offsetof(struct xen_pvfault_ring, entry) == 64, "layout");
static_assert(sizeof(struct xen_pvfault_ring) + XEN_PVFAULT_RING_LENGTH(0) * 8 <= 4096,
	      "the ring fits into its pages");

/* Exactly one access for each word that is shared. */
static uint32_t ready_load(const uint32_t *shared)
{
	return atomic_load_explicit((const _Atomic uint32_t *)shared,
				    memory_order_relaxed);
}

static void ready_store(uint32_t *shared, uint32_t value)
{
	atomic_store_explicit((_Atomic uint32_t *)shared, value,
			      memory_order_relaxed);
}

void ready_attach(struct ready *r, const void *front, void *ring, uint32_t length)
{
	*r = (struct ready) { .front = front, .ring = ring, .length = length };
	r->prod = ready_load(&r->ring->prod);
	r->all = ready_load(&r->ring->all);
	r->flushed_prod = r->prod;
	r->flushed_all = r->all;
}

void ready_detach(struct ready *r)
{
	*r = (struct ready) { 0 };
}

bool ready_attached(const struct ready *r)
{
	return r->ring;
}

uint8_t ready_tell(const struct ready *r, uint32_t vcpu)
{
	if (vcpu >= XEN_PVFAULT_MAX_VCPUS)
		return 0;
	return atomic_load_explicit((const _Atomic uint8_t *)&r->front->tell[vcpu],
				    memory_order_relaxed);
}

bool ready_clear(const struct ready *r, uint64_t *ip, uint64_t *base)
{
	/* Pairs with the frontend's writing clear_ip last. */
	*ip = atomic_load_explicit((const _Atomic uint64_t *)&r->front->clear_ip,
				   memory_order_acquire);
	*base = atomic_load_explicit((const _Atomic uint64_t *)&r->front->clear_base,
				     memory_order_relaxed);
	return *ip;
}

uint32_t ready_pending(const struct ready *r)
{
	uint32_t pending = r->prod - ready_load(&r->front->cons);

	return pending < r->length ? pending : r->length;
}

bool ready_put(struct ready *r, uint64_t token)
{
	uint64_t *entry = &r->ring->entry[r->prod & (r->length - 1)];

	if (ready_pending(r) >= r->length) {
		ready_all(r);
		return false;
	}
	/* After cons was read, before which the frontend has copied the entry. */
	atomic_thread_fence(memory_order_acquire);
	atomic_store_explicit((_Atomic uint64_t *)entry, token, memory_order_relaxed);
	r->prod++;
	return true;
}

void ready_all(struct ready *r)
{
	r->all++;
}

bool ready_flush(struct ready *r)
{
	uint32_t old = r->flushed_prod;
	bool all = r->all != r->flushed_all;

	if (r->prod == old && !all)
		return false;
	/* Entries before prod: pairs with the frontend's read barrier. */
	atomic_thread_fence(memory_order_release);
	ready_store(&r->ring->prod, r->prod);
	if (all)
		ready_store(&r->ring->all, r->all);
	r->flushed_prod = r->prod;
	r->flushed_all = r->all;
	/*
	 * prod and all before event is read: pairs with the full barrier of the
	 * frontend, which writes event and then looks at prod and all.
	 */
	atomic_thread_fence(memory_order_seq_cst);
	return all || r->prod - ready_load(&r->front->event) < r->prod - old;
}
