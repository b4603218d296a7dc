// SPDX-License-Identifier: GPL-2.0
/* The simulated Xen: pages, vCPUs and the mem-paging ring; see fake.h. */

#include <errno.h>
#include <stdio.h>

#include "fake.h"

struct fake fake;
unsigned long fake_kill_in;
jmp_buf fake_killed;

static void fake_call(void)
{
	if (fake_kill_in && !--fake_kill_in)
		longjmp(fake_killed, 1);
}

static bool is_paging(enum p2m type)
{
	return type == P2M_OUT || type == P2M_PAGED || type == P2M_IN;
}

/* p2m_mem_paging_populate(); @vcpu is -1 if the touch is no vCPU's. */
static enum access populate(int vcpu, uint64_t gfn)
{
	enum p2m type = fake.type[gfn];
	struct xenif_request req = { .gfn = gfn, .foreign = vcpu < 0 };

	if (!fake.enabled)
		fail_msg("page %#lx is touched with no pager: the domain crashes",
			 (unsigned long)gfn);
	if (fake.slots_used == RING_SLOTS)
		return ACCESS_BLOCKED;
	if (type == P2M_OUT || type == P2M_PAGED) {
		req.present = type == P2M_OUT;
		fake.type[gfn] = P2M_IN;
	}
	if (vcpu >= 0 && is_paging(type)) {
		assert_false(fake.vcpu[vcpu].paused);
		fake.vcpu[vcpu].paused = true;
		fake.vcpu[vcpu].paused_gfn = gfn;
		req.paused = true;
		req.vcpu = vcpu;
	} else if (type != P2M_OUT && type != P2M_PAGED) {
		return ACCESS_SPINS;
	}
	fake.queue[fake.nr_queued++] = req;
	fake.slots_used++;
	fake.requests++;
	return ACCESS_PAUSED;
}

enum access fake_touch(unsigned int vcpu, uint64_t gfn)
{
	switch (fake.type[gfn]) {
	case P2M_OUT:
	case P2M_PAGED:
		return populate(vcpu, gfn);
	case P2M_IN:
		return ACCESS_SPINS;
	default:
		fake_verify(gfn);
		return ACCESS_OK;
	}
}

enum access fake_walk(unsigned int vcpu, uint64_t gfn)
{
	return is_paging(fake.type[gfn]) ? populate(vcpu, gfn) : ACCESS_OK;
}

enum access fake_clear(unsigned int vcpu, uint64_t gfn)
{
	struct xenif_vcpu *state = &fake.vcpu[vcpu].state;
	enum access access;
	bool first;

	state->cpl = 0;
	state->rip = fake.front->clear_ip;
	state->rdi = fake.front->clear_base + gfn * XEN_PAGE;
	/* Not if another one has touched it already. */
	first = fake.type[gfn] == P2M_PAGED;
	access = fake_touch(vcpu, gfn);
	if (first && access == ACCESS_PAUSED)
		fake.needless[gfn] = true;
	return access;
}

void fake_foreign(uint64_t gfn)
{
	if (is_paging(fake.type[gfn]))
		populate(-1, gfn);
}

/* guest_remove_page() */
void fake_drop(uint64_t gfn)
{
	struct xenif_request req = { .gfn = gfn, .dropped = true };
	enum p2m type = fake.type[gfn];

	if (fake.in_use[gfn])
		return;
	if ((type == P2M_PAGED || type == P2M_IN) && fake.slots_used == RING_SLOTS)
		return;
	fake.type[gfn] = P2M_HOLE;
	fake.needless[gfn] = false;
	if (fake.has_page[gfn])
		fake.free_pages++, fake.domain.tot_pages--;
	fake.has_page[gfn] = false;
	if (type != P2M_PAGED && type != P2M_IN)
		return;
	fake.queue[fake.nr_queued++] = req;
	fake.slots_used++;
	fake.requests++;
}

void fake_fill(uint64_t gfn)
{
	if (fake.type[gfn] != P2M_HOLE || fake.free_pages <= 0)
		return;
	fake.free_pages--;
	fake.domain.tot_pages++;
	fake.has_page[gfn] = true;
	fake.type[gfn] = P2M_RW;
	fake_write(gfn, random());
}

void fake_write(uint64_t gfn, uint64_t stamp)
{
	uint64_t *word = (uint64_t *)fake.memory[gfn];
	unsigned int i;

	assert_int_equal(fake.type[gfn], P2M_RW);
	fake.stamp[gfn] = stamp;
	for (i = 0; i < XEN_PAGE / sizeof(stamp); i++)
		word[i] = stamp;
}

void fake_write_nominated(uint64_t gfn, uint64_t stamp)
{
	assert_int_equal(fake.type[gfn], P2M_OUT);
	fake.type[gfn] = P2M_RW;
	fake_write(gfn, stamp);
	fake.type[gfn] = P2M_OUT;
}

void fake_verify(uint64_t gfn)
{
	uint64_t first, last;

	if (fake.type[gfn] != P2M_RW)
		return;
	memcpy(&first, fake.memory[gfn], sizeof(first));
	memcpy(&last, &fake.memory[gfn][XEN_PAGE - sizeof(last)], sizeof(last));
	assert_int_equal(first, fake.stamp[gfn]);
	assert_int_equal(last, fake.stamp[gfn]);
}

unsigned int fake_away(void)
{
	unsigned int gfn, nr = 0;

	for (gfn = 0; gfn < NR_GFNS; gfn++)
		nr += is_paging(fake.type[gfn]);
	return nr;
}

int xenif_pause(struct xenif *x)
{
	fake_call();
	fake.paused++;
	return 0;
}

int xenif_unpause(struct xenif *x)
{
	fake_call();
	if (fake.unpause_error)
		return fake.unpause_error;
	if (!fake.paused)
		return -EINVAL;
	fake.paused--;
	return 0;
}

/* It runs on, and takes the injected event. */
static void run_on(struct fake_vcpu *v)
{
	v->paused = false;
	if (!v->cr2)
		return;
	assert_true(fake.nr_sleepers < MAX_SLEEPERS);
	fake.sleeper[fake.nr_sleepers++] = (struct fake_sleeper) { v->cr2, v->cr2_gfn };
	if (fake.nr_sleepers > fake.max_sleepers)
		fake.max_sleepers = fake.nr_sleepers;
	v->cr2 = 0;
}

/* See xenif_attach.c: the old ring is gone with all its requests. */
int xenif_takeover(struct xenif *x)
{
	unsigned int i;

	fake_call();
	assert_true(fake.paused);
	if (fake.takeovers++ && fake.on_takeover)
		fake.on_takeover(x);
	if (fake.takeover_error)
		return fake.takeover_error;
	fake.nr_queued = 0;
	fake.nr_answered = 0;
	fake.slots_used = 0;
	memset(fake.needless, 0, sizeof(fake.needless));
	/* The next pager counts its own. */
	fake.requests = 0;
	fake.answers = 0;
	fake.injected = 0;
	fake.enabled = false;
	fake_call();
	for (i = 0; i < NR_VCPUS; i++)
		if (fake.vcpu[i].paused)
			run_on(&fake.vcpu[i]);
	fake.enabled = true;
	return 0;
}

int xenif_enable(struct xenif *x)
{
	if (fake.on_enable)
		fake.on_enable();
	if (fake.enable_error)
		return fake.enable_error;
	fake.enabled = true;
	return 0;
}

int xenif_disable(struct xenif *x)
{
	unsigned int vcpu;

	fake_call();
	if (fake.disable_error)
		return fake.disable_error;
	if (!fake.gone && fake.enabled) {
		/* Each of these would crash the domain, sooner or later. */
		assert_int_equal(fake_away(), 0);
		for (vcpu = 0; vcpu < NR_VCPUS; vcpu++)
			assert_false(fake.vcpu[vcpu].paused);
		assert_int_equal(fake.slots_used, 0);
	}
	fake.enabled = false;
	return 0;
}

uint64_t fake_first_gfn = FIRST_GFN;

int xenif_nominate(struct xenif *x, uint64_t gfn)
{
	fake_call();
	assert_true(fake.enabled);
	assert_in_range(gfn, fake_first_gfn, NR_GFNS - 1);
	if (fake.type[gfn] != P2M_RW || fake.in_use[gfn])
		return -EBUSY;
	if (fake.scribble)
		fake_write(gfn, random());
	fake.type[gfn] = P2M_OUT;
	return 0;
}

void xenif_copy(struct xenif *x, unsigned int nr, const uint64_t *gfn, void **to, int *err)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		/* Would wait for itself. */
		assert_int_not_equal(fake.type[gfn[i]], P2M_PAGED);
		err[i] = fake.copy_fails[gfn[i]] ? -EINVAL : 0;
		if (!err[i])
			memcpy(to[i], fake.memory[gfn[i]], XEN_PAGE);
	}
}

int xenif_evict(struct xenif *x, uint64_t gfn)
{
	fake_call();
	if (fake.type[gfn] != P2M_OUT || fake.in_use[gfn] || fake.evict_busy[gfn])
		return -EBUSY;
	fake.type[gfn] = P2M_PAGED;
	fake.has_page[gfn] = false;
	memset(fake.memory[gfn], 0xee, XEN_PAGE);
	fake.free_pages++;
	fake.domain.tot_pages--;
	return 0;
}

static bool is_zero(const uint8_t *page)
{
	return !page[0] && !memcmp(page, page + 1, XEN_PAGE - 1);
}

int xenif_load(struct xenif *x, uint64_t gfn, const void *page)
{
	fake_call();
	if (fake.gone || fake.domain.dying)
		return -ESRCH;
	if (fake.load_error)
		return fake.load_error;
	if (fake.type[gfn] != P2M_IN && fake.type[gfn] != P2M_PAGED)
		return -ENOENT;
	if (!fake.has_page[gfn]) {
		if (fake.free_pages <= 0 || fake.domain.tot_pages >= fake.domain.max_pages)
			return -ENOMEM;
		fake.free_pages--;
		fake.domain.tot_pages++;
		fake.has_page[gfn] = true;
		memcpy(fake.memory[gfn], page, XEN_PAGE);
		if (fake.needless[gfn] && is_zero(page))
			fake.stamp[gfn] = 0;
	}
	fake.needless[gfn] = false;
	fake.type[gfn] = P2M_RW;
	/* Also in a paused domain, because others may look into it, or unpause it. */
	fake_verify(gfn);
	return 0;
}

int xenif_prep(struct xenif *x, uint64_t gfn)
{
	fake_call();
	if (fake.type[gfn] != P2M_IN && fake.type[gfn] != P2M_PAGED)
		return -ENOENT;
	if (!fake.has_page[gfn])
		return -EINVAL;
	fake.type[gfn] = P2M_RW;
	return 0;
}

/* set_mem_type, then prep; see xenif_paging.c. */
int xenif_settle(struct xenif *x, uint64_t gfn)
{
	fake_call();
	if (!is_paging(fake.type[gfn]))
		return 0;
	populate(-1, gfn);
	return xenif_prep(x, gfn) ? -EAGAIN : 0;
}

void xenif_came_back(struct xenif *x, unsigned int nr, const uint64_t *gfn)
{
	unsigned int i;

	assert_in_range(nr, 1, XENIF_BACK);
	for (i = 0; i < nr; i++)
		fake.dirty[gfn[i]] |= fake.has_page[gfn[i]];
}

bool xenif_next_request(struct xenif *x, struct xenif_request *req)
{
	if (!fake.nr_queued)
		return false;
	*req = fake.queue[0];
	memmove(fake.queue, fake.queue + 1, --fake.nr_queued * sizeof(*req));
	return true;
}

void xenif_answer(struct xenif *x, const struct xenif_request *req)
{
	fake_call();
	/* More answers than requests. */
	assert_true(fake.nr_answered + fake.nr_queued < fake.slots_used);
	if (req->paused) {
		assert_true(fake.vcpu[req->vcpu].paused);
		assert_int_equal(fake.vcpu[req->vcpu].paused_gfn, req->gfn);
	}
	fake.answered[fake.nr_answered++] = *req;
	fake.answers++;
}

/* vm_event_resume() */
void xenif_flush_answers(struct xenif *x)
{
	unsigned int i;

	fake_call();
	for (i = 0; i < fake.nr_answered; i++) {
		const struct xenif_request *req = &fake.answered[i];
		struct fake_vcpu *v = &fake.vcpu[req->vcpu];

		if (v->paused && !req->dropped && fake.type[req->gfn] == P2M_IN &&
		    fake.has_page[req->gfn])
			fake.type[req->gfn] = P2M_RW;
		if (!req->paused)
			continue;
		assert_true(v->paused);
		/* Unless it was told, it must be there now, or was. */
		if (!v->cr2 && !fake.gone) {
			assert_int_not_equal(fake.type[req->gfn], P2M_PAGED);
			assert_int_not_equal(fake.type[req->gfn], P2M_IN);
		}
		run_on(v);
	}
	fake.slots_used -= fake.nr_answered;
	fake.nr_answered = 0;
}

int xenif_vcpu(struct xenif *x, uint32_t vcpu, struct xenif_vcpu *state)
{
	assert_true(fake.vcpu[vcpu].paused);
	*state = fake.vcpu[vcpu].state;
	return fake.vcpu[vcpu].vcpu_error;
}

int xenif_inject(struct xenif *x, uint32_t vcpu, bool user, uint64_t cr2)
{
	struct fake_vcpu *v = &fake.vcpu[vcpu];
	uint8_t bit = v->state.cpl == 3 ? XEN_PVFAULT_TELL_USER : XEN_PVFAULT_TELL_KERNEL;

	fake_call();
	if (v->inject_error)
		return v->inject_error;
	/* The rules of io/pvfault.h. */
	assert_true(v->paused);
	assert_int_equal(user, v->state.cpl == 3);
	assert_true(fake.front->tell[vcpu] & bit);
	assert_true(v->state.interrupts);
	assert_false(v->state.event);
	assert_int_equal(v->cr2, 0);
	assert_int_equal(cr2 >> XEN_PVFAULT_SIGNATURE_SHIFT, XEN_PVFAULT_SIGNATURE);
	assert_in_range(cr2 >> XEN_PVFAULT_GENERATION_SHIFT & 0xffff, 1,
			XEN_PVFAULT_GENERATION_MAX);
	v->cr2 = cr2;
	v->cr2_gfn = v->paused_gfn;
	fake.injected++;
	return 0;
}
