// SPDX-License-Identifier: GPL-2.0
/* The guest's other devices, of which the pager allows few. */

#include <stdio.h>
#include <unistd.h>

#include "fake.h"
#include "neighbours.h"

#define DEVICE(name)	"/local/domain/7/device/" name
#define VIF_TYPE	"/local/domain/0/backend/vif/7/0/type"

static void allowed(bool good, const char *sentence)
{
	char why[200] = "";

	assert_int_equal(neighbours_allow(pager, why, sizeof(why)), good);
	if (!good)
		assert_non_null(strstr(why, sentence));
}

static void neighbours(void **state)
{
	allowed(true, NULL);
	fake_store(DEVICE("vkbd/0/state"), "4");
	fake_store(DEVICE("console/1/state"), "4");
	allowed(true, NULL);
	fake_store(DEVICE("vif/0/state"), "4");
	allowed(false, "vif 0 may hand out any page; say \"untrusted\"");
	fake_store(DEVICE("vif/0/trusted"), "1");
	allowed(false, "vif 0");
	fake_store(DEVICE("vif/0/trusted"), "0");
	allowed(true, NULL);
	/* It is a promise of each device, not of one. */
	fake_store(DEVICE("vif/1/state"), "1");
	allowed(false, "vif 1");
	fake_store(DEVICE("vif/1/state"), NULL);
	fake_store(DEVICE("vbd/51712/trusted"), "1");
	allowed(false, "vbd 51712 may hand out any page; write 0 to its device/vbd/51712/trusted");
	fake_store(DEVICE("vbd/51712/trusted"), "0");
	allowed(true, NULL);
	pager->domain.emulated = true;
	fake_store(DEVICE("vbd/51712/trusted"), NULL);
	allowed(false, "vif 0 is emulated by QEMU");
	fake_store(VIF_TYPE, "vif_ioemu");
	allowed(false, "type=vif");
	fake_store(VIF_TYPE, "vif");
	allowed(true, NULL);
	fake_store(DEVICE("vbd/51712/trusted"), "0");
	allowed(false, "vbd 51712 is emulated by QEMU");
	fake_store(DEVICE("vbd/51712/trusted"), NULL);
	fake_store(DEVICE("9pfs/0/trusted"), "0");
	allowed(false, "9pfs 0");
	/* That nothing can be read is no reason to bring everything back. */
	fake.store_gone = true;
	allowed(true, NULL);
	fake.store_gone = false;
}

static void attached_beside(void **state)
{
	take_away(100);
	fake_store(DEVICE("vif/0/trusted"), "1");
	seconds(3);
	rounds(200);
	assert_int_equal(fake_away(), 0);
	assert_non_null(strstr(fake_node("/local/domain/0/error/backend/pvfault/7/0/error"),
			       "untrusted"));
	assert_int_equal(back_state(), XB_CLOSING);
	front_state(XB_CLOSED);
	rounds(2);
	/* Nor is anything taken later, as long as it is there. */
	seconds(200);
	assert_int_equal(back_state(), XB_CLOSED);
	fake_store(DEVICE("vif/0/trusted"), NULL);
	seconds(2);
	assert_int_equal(back_state(), XB_INITWAIT);
	front_connect("256+768");
	take_away(100);
	check_balance();
}

static void there_at_a_takeover(void **state)
{
	take_away(100);
	bury();
	fake_store(DEVICE("vbd/51712/trusted"), "1");
	assert_int_equal(start_again(), 0);
	seconds(2);
	rounds(200);
	assert_int_equal(fake_away(), 0);
	assert_int_equal(back_state(), XB_CLOSING);
}

static void there_at_the_beginning(void **state)
{
	bury();
	unlink(page_file);
	fake_store(DEVICE("vbd/51712/trusted"), "1");
	assert_int_equal(start_again(), EXIT_BAD_DOMAIN);
	assert_non_null(strstr(log_last(), "before it boots, so that it copies"));
}

int test_neighbours(void)
{
	const struct CMUnitTest tests[] = {
		pager_test(neighbours),
		pager_test(there_at_the_beginning),
		pager_test_connected(attached_beside),
		pager_test_connected(there_at_a_takeover),
	};

	return cmocka_run_group_tests_name("neighbours", tests, NULL, NULL);
}
