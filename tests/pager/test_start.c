// SPDX-License-Identifier: GPL-2.0
/* Each reason not to page a domain is one sentence and one exit code. */

#include <errno.h>

#include "fake.h"
#include "start.h"

static void refusals(void **state)
{
	static const struct { int error, code; const char *sentence; } refusal[] = {
		{ -ENOSYS, EXIT_NO_PAGING, "without CONFIG_MEM_PAGING" },
		{ -EBUSY, EXIT_BUSY, "another pager" },
		{ -ENODEV, EXIT_BAD_DOMAIN, "hardware-assisted paging" },
		{ -EMLINK, EXIT_BAD_DOMAIN, "passed through" },
		{ -EXDEV, EXIT_BAD_DOMAIN, "populate-on-demand" },
		{ -EOPNOTSUPP, EXIT_NO_PAGING, "dom0 isn't PV" },
		{ -EPERM, EXIT_DENIED, "permits no paging" },
		{ -EACCES, EXIT_DENIED, "permits no paging" },
		{ -ENOMEM, EXIT_TROUBLE, "can't be enabled" },
	};
	unsigned int i;

	pager->options.domain = "guest";
	for (i = 0; i < sizeof(refusal) / sizeof(*refusal); i++) {
		fake.enable_error = refusal[i].error;
		assert_int_equal(start_paging(pager), refusal[i].code);
		assert_non_null(strstr(log_last(), refusal[i].sentence));
	}
}

static void bad_domains(void **state)
{
	pager->options.domain = "guest";
	fake.domain.built = true;
	assert_int_equal(start_look(pager), EXIT_DONE);
	fake.domain.hvm = false;
	assert_int_equal(start_look(pager), EXIT_BAD_DOMAIN);
	assert_non_null(strstr(log_last(), "is PV"));
	fake.domain.hvm = true;
	fake.domain.dying = true;
	assert_int_equal(start_look(pager), EXIT_NO_DOMAIN);
	fake.domain.dying = false;
	fake.gone = true;
	assert_int_equal(start_look(pager), EXIT_NO_DOMAIN);
	assert_non_null(strstr(log_last(), "there is no domain"));
}

static void too_many_vcpus(void **state)
{
	pager->options.domain = "guest";
	pager->domain.nr_vcpus = XENIF_SAFE_VCPUS;
	say("nothing");
	assert_int_equal(start_paging(pager), EXIT_DONE);
	assert_non_null(strstr(log_last(), "nothing"));
	pager->domain.nr_vcpus = XENIF_SAFE_VCPUS + 1;
	assert_int_equal(start_paging(pager), EXIT_DONE);
	assert_non_null(strstr(log_last(), "another pager to take over"));
}

/* Pages are served without XenStore; only leaving takes longer. */
static void store_is_gone(void **state)
{
	unsigned int gfn, i;

	take_away(40);
	fake.store_gone = true;
	for (gfn = FIRST_GFN; fake.type[gfn] != P2M_PAGED; gfn++)
		;
	fake_touch(0, gfn);
	rounds(4);
	front_take();
	assert_int_equal(fake_touch(0, gfn), ACCESS_OK);
	pager->leaving = true;
	pager->bring = BRING_ALL;
	device_leave(pager);
	for (i = 0; i < 30 && !device_closed(&pager->device); i++)
		seconds(1);
	assert_true(device_closed(&pager->device));
	assert_int_equal(fake_away(), 0);
	fake.store_gone = false;
}

/* The domain's name doesn't matter, nor that it has crashed. */
static void domain_has_crashed(void **state)
{
	unsigned int gfn;

	take_away(40);
	fake.domain.shutdown = true;
	seconds(2);
	assert_false(pager->gone);
	for (gfn = FIRST_GFN; fake.type[gfn] != P2M_PAGED; gfn++)
		;
	/* A core dump is taken. */
	fake_foreign(gfn);
	rounds(4);
	assert_int_equal(fake.type[gfn], P2M_RW);
	fake.domain.dying = true;
	seconds(1);
	assert_true(pager->gone);
}

/* More vCPUs than places in the ring: some wait there, and all get their page. */
static void ring_is_full(void **state)
{
	unsigned int vcpu, gfn = FIRST_GFN, blocked = 0, i;

	take_away(NR_GFNS - FIRST_GFN);
	for (vcpu = 0; vcpu < NR_VCPUS; vcpu++)
		blocked += fake_touch(vcpu, gfn + vcpu) == ACCESS_BLOCKED;
	assert_int_equal(blocked, NR_VCPUS - RING_SLOTS);
	for (i = 0; i < 20; i++) {
		rounds(1);
		front_take();
		for (vcpu = 0; vcpu < NR_VCPUS; vcpu++)
			if (!fake.vcpu[vcpu].paused)
				fake_touch(vcpu, gfn + vcpu);
	}
	rounds(4);
	front_take();
	for (vcpu = 0; vcpu < NR_VCPUS; vcpu++)
		assert_int_equal(fake_touch(vcpu, gfn + vcpu), ACCESS_OK);
	check_balance();
}

int test_start(void)
{
	const struct CMUnitTest tests[] = {
		pager_test(refusals),
		pager_test(bad_domains),
		pager_test(too_many_vcpus),
		pager_test_connected(store_is_gone),
		pager_test_connected(domain_has_crashed),
		pager_test_connected(ring_is_full),
	};

	return cmocka_run_group_tests_name("start", tests, NULL, NULL);
}
