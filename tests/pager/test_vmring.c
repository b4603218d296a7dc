// SPDX-License-Identifier: GPL-2.0
/* The pager's end of Xen's mem-paging ring, against Xen's end from its headers. */

#include <stdatomic.h>

#define xen_mb()	atomic_thread_fence(memory_order_seq_cst)
#define xen_rmb()	atomic_thread_fence(memory_order_acquire)
#define xen_wmb()	atomic_thread_fence(memory_order_release)

#include "fake.h"
#include "vmring.h"

static void *page;
static vm_event_front_ring_t xen;
static struct vmring ours;

static int setup(void **state)
{
	page = aligned_alloc(XEN_PAGE, XEN_PAGE);
	memset(page, 0x5a, XEN_PAGE);
	vmring_init(&ours, page);
	FRONT_RING_INIT(&xen, (vm_event_sring_t *)page, XEN_PAGE);
	return 0;
}

static int teardown(void **state)
{
	free(page);
	return 0;
}

static void send(uint64_t gfn, uint32_t flags, uint32_t paging_flags, uint32_t vcpu)
{
	const vm_event_request_t req = {
		.version = VM_EVENT_INTERFACE_VERSION,
		.reason = VM_EVENT_REASON_MEM_PAGING,
		.flags = flags,
		.vcpu_id = vcpu,
		.u.mem_paging = { .gfn = gfn, .flags = paging_flags },
	};

	assert_true(RING_FREE_REQUESTS(&xen) > 0);
	*RING_GET_REQUEST(&xen, xen.req_prod_pvt) = req;
	xen.req_prod_pvt++;
	RING_PUSH_REQUESTS(&xen);
}

static vm_event_response_t receive(void)
{
	vm_event_response_t rsp;

	assert_true(RING_HAS_UNCONSUMED_RESPONSES(&xen));
	rsp = *RING_GET_RESPONSE(&xen, xen.rsp_cons);
	xen.rsp_cons++;
	return rsp;
}

static void eight_places(void **state)
{
	assert_int_equal(RING_SIZE(&ours.ring), RING_SLOTS);
	assert_int_equal(RING_FREE_REQUESTS(&xen), RING_SLOTS);
}

static void requests_are_translated(void **state)
{
	struct xenif_request req;

	assert_false(vmring_next(&ours, &req));
	send(0x1234567890, VM_EVENT_FLAG_VCPU_PAUSED, 0, 3);
	send(5, VM_EVENT_FLAG_FOREIGN, MEM_PAGING_EVICT_FAIL, 0);
	send(6, 0, MEM_PAGING_DROP_PAGE, 0);
	assert_true(vmring_next(&ours, &req));
	assert_true(req.gfn == 0x1234567890 && req.vcpu == 3);
	assert_true(req.paused && !req.foreign && !req.dropped && !req.present);
	assert_true(vmring_next(&ours, &req));
	assert_true(!req.paused && req.foreign && !req.dropped && req.present);
	assert_true(vmring_next(&ours, &req));
	assert_true(!req.paused && !req.foreign && req.dropped && !req.present);
	assert_false(vmring_next(&ours, &req));
}

/* xenpaging sets neither version nor reason, and its guests hang. */
static void answers_have_version_and_reason(void **state)
{
	struct xenif_request req;
	vm_event_response_t rsp;

	send(77, VM_EVENT_FLAG_VCPU_PAUSED, 0, 3);
	assert_true(vmring_next(&ours, &req));
	vmring_answer(&ours, &req);
	assert_false(RING_HAS_UNCONSUMED_RESPONSES(&xen));
	assert_true(vmring_push(&ours));
	assert_false(vmring_push(&ours));
	rsp = receive();
	assert_int_equal(rsp.version, VM_EVENT_INTERFACE_VERSION);
	assert_int_equal(rsp.reason, VM_EVENT_REASON_MEM_PAGING);
	assert_int_equal(rsp.flags, VM_EVENT_FLAG_VCPU_PAUSED);
	assert_int_equal(rsp.vcpu_id, 3);
	assert_int_equal(rsp.u.mem_paging.gfn, 77);
	assert_int_equal(rsp.u.mem_paging.flags, 0);

	send(78, VM_EVENT_FLAG_FOREIGN, MEM_PAGING_DROP_PAGE, 2);
	assert_true(vmring_next(&ours, &req));
	vmring_answer(&ours, &req);
	assert_true(vmring_push(&ours));
	rsp = receive();
	assert_int_equal(rsp.flags, 0);
	assert_int_equal(rsp.u.mem_paging.flags, MEM_PAGING_DROP_PAGE);
}

/* Answers in another order than requests; the ring goes round many times. */
static void round_and_round(void **state)
{
	struct xenif_request held[RING_SLOTS], req;
	unsigned int i, nr = 0, sent = 0, got = 0;

	srandom(2);
	for (i = 0; i < 10000; i++) {
		while (RING_FREE_REQUESTS(&xen) > 0 && random() % 3)
			send(sent++, VM_EVENT_FLAG_VCPU_PAUSED, 0, 0);
		while (vmring_next(&ours, &req)) {
			assert_true(nr < RING_SLOTS);
			held[nr++] = req;
		}
		while (nr && random() % 3) {
			unsigned int which = random() % nr;

			vmring_answer(&ours, &held[which]);
			held[which] = held[--nr];
		}
		vmring_push(&ours);
		while (RING_HAS_UNCONSUMED_RESPONSES(&xen)) {
			vm_event_response_t rsp = receive();

			assert_int_equal(rsp.version, VM_EVENT_INTERFACE_VERSION);
			assert_true(rsp.u.mem_paging.gfn < sent);
			got++;
		}
		assert_int_equal(sent - got, nr);
	}
	assert_true(got > 10000);
}

#define ring_test(name)	cmocka_unit_test_setup_teardown(name, setup, teardown)

int test_vmring(void)
{
	const struct CMUnitTest tests[] = {
		ring_test(eight_places),
		ring_test(requests_are_translated),
		ring_test(answers_have_version_and_reason),
		ring_test(round_and_round),
	};

	return cmocka_run_group_tests_name("vmring", tests, NULL, NULL);
}
