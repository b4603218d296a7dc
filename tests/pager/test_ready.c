// SPDX-License-Identifier: GPL-2.0
/* The producer of the READY ring. */

#include "fake.h"

#define LENGTH	XEN_PVFAULT_RING_LENGTH(0)

static struct xen_pvfault_front *front;
static struct xen_pvfault_ring *ring;
static struct ready r;

static int setup(void **state)
{
	front = aligned_alloc(XEN_PAGE, XEN_PAGE);
	ring = aligned_alloc(XEN_PAGE, XEN_PAGE);
	memset(front, 0, XEN_PAGE);
	memset(ring, 0, XEN_PAGE);
	ready_attach(&r, front, ring, LENGTH);
	return 0;
}

static int teardown(void **state)
{
	free(front);
	free(ring);
	return 0;
}

static void seen_only_after_flush(void **state)
{
	front->event = 1;
	assert_false(ready_flush(&r));
	assert_true(ready_put(&r, 42));
	assert_true(ready_put(&r, 43));
	assert_int_equal(ring->prod, 0);
	assert_int_equal(ready_pending(&r), 2);
	assert_true(ready_flush(&r));
	assert_int_equal(ring->prod, 2);
	assert_int_equal(ring->entry[0], 42);
	assert_int_equal(ring->entry[1], 43);
	assert_int_equal(ring->all, 0);
	assert_false(ready_flush(&r));
}

static void notifies_when_event_is_passed(void **state)
{
	unsigned int i;

	/* Without an event from the frontend: nothing to say. */
	front->event = 0;
	ready_put(&r, 1);
	assert_false(ready_flush(&r));
	front->event = 4;
	ready_put(&r, 2);
	ready_put(&r, 3);
	assert_false(ready_flush(&r));
	ready_put(&r, 4);
	assert_true(ready_flush(&r));
	ready_put(&r, 5);
	assert_false(ready_flush(&r));
	/* Passed in the middle of a batch. */
	front->event = 7;
	for (i = 0; i < 5; i++)
		ready_put(&r, i);
	assert_true(ready_flush(&r));
}

static void indices_wrap(void **state)
{
	unsigned int i;

	ring->prod = UINT32_MAX - 2;
	front->cons = UINT32_MAX - 2;
	front->event = UINT32_MAX - 1;
	ready_attach(&r, front, ring, LENGTH);
	for (i = 0; i < 6; i++)
		assert_true(ready_put(&r, 100 + i));
	assert_true(ready_flush(&r));
	assert_int_equal(ring->prod, 3);
	assert_int_equal(ring->entry[LENGTH - 3], 100);
	assert_int_equal(ring->entry[LENGTH - 1], 102);
	assert_int_equal(ring->entry[0], 103);
	front->event = 3;
	ready_put(&r, 1);
	assert_false(ready_flush(&r));
}

static void full_ring_says_all(void **state)
{
	unsigned int i;

	front->event = 1;
	for (i = 0; i < LENGTH; i++)
		assert_true(ready_put(&r, i));
	assert_true(ready_flush(&r));
	assert_int_equal(ready_pending(&r), LENGTH);
	assert_false(ready_put(&r, 999));
	assert_false(ready_put(&r, 999));
	/* No event is due, but all has changed. */
	front->event = 0;
	assert_true(ready_flush(&r));
	assert_int_equal(ring->all, 2);
	assert_int_equal(ring->prod, LENGTH);
	assert_int_equal(ring->entry[0], 0);
	front->cons = 1;
	assert_true(ready_put(&r, 1000));
	ready_flush(&r);
	assert_int_equal(ring->entry[0], 1000);
}

/* A frontend that writes nonsense gets READY for all, and nothing worse. */
static void nonsense_in_cons(void **state)
{
	static const uint32_t bad[] = { 1, LENGTH + 5, 1000, 1U << 31 };
	unsigned int i;

	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		front->cons = r.prod + bad[i];
		assert_int_equal(ready_pending(&r), LENGTH);
		assert_false(ready_put(&r, 5));
	}
	assert_true(ready_flush(&r));
	assert_int_equal(ring->prod, 0);
	assert_int_equal(ring->all, sizeof(bad) / sizeof(*bad));
}

static void goes_on_behind_prod(void **state)
{
	ring->prod = 77;
	ring->all = 5;
	front->cons = 70;
	ready_attach(&r, front, ring, LENGTH);
	assert_int_equal(ready_pending(&r), 7);
	ready_all(&r);
	assert_true(ready_flush(&r));
	assert_int_equal(ring->all, 6);
	assert_int_equal(ring->prod, 77);
}

static void octets_of_vcpus(void **state)
{
	front->tell[0] = 1;
	front->tell[XEN_PVFAULT_MAX_VCPUS - 1] = 2;
	assert_int_equal(ready_tell(&r, 0), 1);
	assert_int_equal(ready_tell(&r, 1), 0);
	assert_int_equal(ready_tell(&r, XEN_PVFAULT_MAX_VCPUS - 1), 2);
	assert_int_equal(ready_tell(&r, XEN_PVFAULT_MAX_VCPUS), 0);
	assert_int_equal(ready_tell(&r, UINT32_MAX), 0);
}

#define ring_test(name)	cmocka_unit_test_setup_teardown(name, setup, teardown)

int test_ready(void)
{
	const struct CMUnitTest tests[] = {
		ring_test(seen_only_after_flush),
		ring_test(notifies_when_event_is_passed),
		ring_test(indices_wrap),
		ring_test(full_ring_says_all),
		ring_test(nonsense_in_cons),
		ring_test(goes_on_behind_prod),
		ring_test(octets_of_vcpus),
	};

	return cmocka_run_group_tests_name("ready", tests, NULL, NULL);
}
