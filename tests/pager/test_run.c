// SPDX-License-Identifier: GPL-2.0
/* What comes after what, and that a pager which is refused has changed nothing. */

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "fake.h"
#include "run.h"

#define PAGEFILE_NODE	"/local/domain/7/memory/pvfault-pagefile"
#define TRUSTED_NODE	"/local/domain/7/memory/pvfault-trusted"

static uint64_t first_out(void)
{
	unsigned int gfn;

	for (gfn = FIRST_GFN; fake.type[gfn] != P2M_PAGED; gfn++)
		;
	return gfn;
}

static char *kept_node;
static unsigned int enables, writes;

/* Nothing may be written, or taken, before the domain is ours. */
static void count_enable(void)
{
	assert_int_equal(writes, 0);
	enables++;
}

static void count_write(void)
{
	writes++;
	assert_int_equal(enables, 1);
}

static int look(void **state)
{
	start(state);
	fake.on_enable = count_enable;
	fake.on_write = count_write;
	enables = 0;
	writes = 0;
	return 0;
}

static void first_ours_then_said(void **state)
{
	bury();
	unlink(page_file);
	assert_int_equal(start_again(), 0);
	assert_int_equal(enables, 1);
	assert_true(writes >= 2);
	assert_non_null(fake_node(PAGEFILE_NODE));
}

/* Another pager with another file, beside one that serves: the first can be killed. */
static void second_pager(void **state)
{
	struct pager *first = pager, *second = calloc(1, sizeof(*second));
	char path[300];

	take_away(20);
	kept_node = strdup(fake_node(PAGEFILE_NODE));
	snprintf(path, sizeof(path), "%s.2", page_file);
	unlink(path);
	second->options = first->options;
	second->options.pagefile = path;
	second->xen = &fake.x;
	fake.enable_error = -EBUSY;
	assert_int_equal(run(second), EXIT_BUSY);
	fake.enable_error = 0;
	assert_string_equal(fake_node(PAGEFILE_NODE), kept_node);
	assert_true(fake.enabled);
	assert_int_equal(fake_away(), 20);
	assert_int_equal(back_state(), XB_CONNECTED);
	free(kept_node);
	free(second);
	unlink(path);
	bury();
	assert_int_equal(start_again(), 0);
	assert_int_equal(pager->stats.adopted, 20);
	leave_now();
	assert_all_back();
}

static void untrusted(void **state)
{
	struct pager *second = calloc(1, sizeof(*second));
	char path[300];

	bury();
	snprintf(path, sizeof(path), "%s.2", page_file);
	unlink(path);
	second->options = (struct options) { .domain = "guest", .pagefile = path, .depth = 8 };
	second->xen = &fake.x;
	assert_int_equal(run_detach(second, run_attach(second)), EXIT_UNTRUSTED);
	assert_non_null(strstr(log_last(), "--trust-guest"));
	assert_int_equal(enables + writes, 0);
	fake_store(TRUSTED_NODE, "0");
	memset(&second->file, 0, sizeof(second->file));
	assert_int_equal(run_detach(second, run_attach(second)), EXIT_UNTRUSTED);
	fake_store(TRUSTED_NODE, "1");
	assert_int_equal(run_attach(second), 0);
	assert_int_equal(enables, 1);
	run_detach(second, 0);
	assert_false(fake.enabled);
	/* Nobody's file is there any more, and nothing says so. */
	assert_null(fake_node(PAGEFILE_NODE));
	free(second);
	unlink(path);
	fake.on_enable = NULL;
	fake.on_write = NULL;
	fake.port = -1;
	assert_int_equal(start_again(), 0);
}

/* Taken by a pager that left no page file. */
static void out_already(void **state)
{
	fake.on_enable = NULL;
	fake.on_write = NULL;
	front_connect("256+768");
	take_away(3);
	bury();
	unlink(page_file);
	fake.enabled = false;
	assert_int_equal(start_again(), EXIT_UNKNOWN);
	assert_non_null(strstr(log_last(), "3 pages of domain guest are out already"));
	/* A vCPU that touches them waits, and the domain does not crash. */
	assert_true(fake.enabled);
}

/* Xen says that one is out when we know of none: not Closed, and no end. */
static void one_is_left(void **state)
{
	unsigned int i;
	uint64_t gfn;

	take_away(5);
	gfn = first_out();
	/* As a bug would do it. */
	pages_event(&pager->pages, pages_find(&pager->pages, gfn), PE_DROP);
	pager->leaving = true;
	pager->bring = BRING_ALL;
	device_leave(pager);
	for (i = 0; i < 40; i++)
		seconds(1);
	assert_int_equal(fake_away(), 1);
	assert_int_equal(back_state(), XB_CONNECTED);
	assert_int_equal(pager->audit.unknown, 1);
	assert_non_null(strstr(fake_node("/local/domain/0/error/backend/pvfault/7/0/error"),
			       "1 pages are out of which"));
	/* The guest gives it away. */
	fake_drop(gfn);
	for (i = 0; i < 30; i++)
		seconds(1);
	assert_int_equal(back_state(), XB_CLOSED);
}

/* Nor while Xen doesn't answer. */
static void xen_is_silent(void **state)
{
	take_away(5);
	pager->leaving = true;
	pager->bring = BRING_ALL;
	device_leave(pager);
	fake.domain_error = -EPERM;
	seconds(30);
	assert_int_equal(fake_away(), 0);
	assert_int_equal(back_state(), XB_CONNECTED);
	fake.domain_error = 0;
	seconds(30);
	assert_int_equal(back_state(), XB_CLOSED);
}

int test_run(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(first_ours_then_said, look, stop),
		cmocka_unit_test_setup_teardown(untrusted, look, stop),
		cmocka_unit_test_setup_teardown(out_already, look, stop),
		pager_test_connected(second_pager),
		pager_test_connected(one_is_left),
		pager_test_connected(xen_is_silent),
	};

	return cmocka_run_group_tests_name("run", tests, NULL, NULL);
}
