// SPDX-License-Identifier: GPL-2.0
/* Parsing of the guest's offer and numbers, which is strict. */

#include "fake.h"

static void numbers(void **state)
{
	static const char * const bad[] = {
		"", " 1", "1 ", "+1", "-1", "0x10", "1.0", "1\n", "1,2", "9999999999",
		"18446744073709551616", "99999999999999999999999999", "one", "4294967296",
	};
	uint64_t n = 77;
	unsigned int i;

	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_false(parse_number(bad[i], 0, UINT32_MAX, &n));
	assert_false(parse_number(NULL, 0, UINT32_MAX, &n));
	assert_false(parse_number("4", 5, 10, &n));
	assert_false(parse_number("11", 5, 10, &n));
	assert_int_equal(n, 77);
	assert_true(parse_number("0", 0, 0, &n));
	assert_int_equal(n, 0);
	assert_true(parse_number("4294967295", 0, UINT32_MAX, &n));
	assert_int_equal(n, UINT32_MAX);
	assert_true(parse_number("18446744073709551615", 0, UINT64_MAX, &n));
	assert_true(n == UINT64_MAX);
}

static void good_offers(void **state)
{
	struct offer offer;

	assert_null(parse_offer("", 999, 1000, &offer));
	assert_int_equal(offer.total, 0);
	assert_null(parse_offer("0+1000", 999, 1000, &offer));
	assert_int_equal(offer.total, 1000);
	assert_null(parse_offer("1+2 3+4 999+1", 999, 1000, &offer));
	assert_int_equal(offer.nr, 3);
	assert_int_equal(offer.total, 7);
	assert_int_equal(offer.range[2].first, 6);
}

static void bad_offers(void **state)
{
	static const char * const bad[] = {
		" ", "1", "1+", "+1", "1-2", "1+2 ", " 1+2", "1+2  3+4", "1+2,3+4",
		"1+2 3", "1+0", "5+2 1+2", "5+2 6+2", "5+2 5+2", "1000+1", "999+2",
		"0+1001", "0+600 600+401", "1+18446744073709551615",
		"18446744073709551615+1", "18446744073709551616+1", "1+2x", "0x1+2",
		"1+2\n", "-1+2", "1+-2",
	};
	struct offer offer = { .nr = 77 };
	unsigned int i;

	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_non_null(parse_offer(bad[i], 999, 1000, &offer));
	assert_non_null(parse_offer(NULL, 999, 1000, &offer));
	assert_non_null(parse_offer("0+400 500+400 950+50", 999, 849, &offer));
	assert_int_equal(offer.nr, 77);
}

static void as_many_ranges_as_allowed(void **state)
{
	char text[XEN_PVFAULT_MAX_RANGES * 8 + 16] = "";
	struct offer offer;
	unsigned int i;

	for (i = 0; i < XEN_PVFAULT_MAX_RANGES; i++)
		sprintf(text + strlen(text), "%s%u+1", i ? " " : "", i * 2);
	assert_null(parse_offer(text, 999, 1000, &offer));
	assert_int_equal(offer.nr, XEN_PVFAULT_MAX_RANGES);
	strcat(text, " 900+1");
	assert_non_null(parse_offer(text, 999, 1000, &offer));
}

/* Any input ends, and an accepted offer is in order. */
static void random_words(void **state)
{
	static const char letter[] = "0123456789+ -x";
	struct offer offer;
	unsigned int i, j, good = 0;
	char text[24];

	srandom(1);
	for (i = 0; i < 200000; i++) {
		unsigned int length = random() % (sizeof(text) - 1);
		uint64_t end = 0;

		for (j = 0; j < length; j++)
			text[j] = letter[random() % (sizeof(letter) - 1)];
		text[length] = 0;
		if (parse_offer(text, 1 << 20, 1 << 20, &offer))
			continue;
		good++;
		for (j = 0; j < offer.nr; j++) {
			assert_true(offer.range[j].start >= end);
			end = offer.range[j].start + offer.range[j].count;
			assert_true(end <= (1 << 20) + 1);
		}
	}
	assert_true(good > 100);
}

int test_offer(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers),
		cmocka_unit_test(good_offers),
		cmocka_unit_test(bad_offers),
		cmocka_unit_test(as_many_ranges_as_allowed),
		cmocka_unit_test(random_words),
	};

	return cmocka_run_group_tests_name("offer", tests, NULL, NULL);
}
