// SPDX-License-Identifier: GPL-2.0
/* Runs all groups of tests; ONLY= selects some of their tests. */

#include <stdio.h>
#include <unistd.h>

#include "fake.h"

int main(int argc, char **argv)
{
	int failed;

	/* A test that hangs ends the program, by this signal. */
	alarm(getenv("UNIT_ALARM") ? atoi(getenv("UNIT_ALARM")) : 120);
	snprintf(page_file, sizeof(page_file), "%s.pages", argv[0]);
	if (getenv("ONLY"))
		cmocka_set_test_filter(getenv("ONLY"));
	failed = test_pages() + test_offer() + test_ready() + test_vmring() +
		 test_faults() + test_clear() + test_evict() + test_file() + test_device() +
		 test_neighbours() + test_loop() + test_start() + test_status() +
		 test_adopt() + test_records() + test_run() + test_random();
	return failed != 0;
}
