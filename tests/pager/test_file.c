// SPDX-License-Identifier: GPL-2.0
/* The page file: its owner, a full disk, wrong contents. */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fake.h"

static struct pagefile second;

static int open_second(void)
{
	char path[300];
	int rc;

	snprintf(path, sizeof(path), "%s.2", page_file);
	rc = pagefile_open(&second, path, &fake.x, &fake.domain,
			       NR_GFNS);
	second.path = NULL;
	return rc;
}

static void put_second(const void *content, size_t size)
{
	char path[300];
	int fd;

	snprintf(path, sizeof(path), "%s.2", page_file);
	unlink(path);
	if (!content)
		return;
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	assert_int_equal(write(fd, content, size), size);
	close(fd);
}

static size_t get_second(void *content, size_t size)
{
	char path[300];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s.2", page_file);
	fd = open(path, O_RDONLY);
	n = read(fd, content, size);
	close(fd);
	return n;
}

static void one_user_at_a_time(void **state)
{
	struct pagefile other;

	assert_int_equal(pagefile_open(&other, page_file, &fake.x, &fake.domain,
			       NR_GFNS),
			 EXIT_PAGEFILE);
	assert_non_null(strstr(log_last(), "in use by another pager"));
}

static void somebody_elses_file(void **state)
{
	static const char text[] = "my thesis\n";
	char big[2 * XEN_PAGE], back[2 * XEN_PAGE];

	put_second(text, sizeof(text));
	assert_int_equal(open_second(), EXIT_PAGEFILE);
	assert_non_null(strstr(log_last(), "is not a page file"));
	assert_int_equal(get_second(back, sizeof(back)), sizeof(text));
	assert_string_equal(back, text);

	memset(big, 'x', sizeof(big));
	memcpy(big, PAGEFILE_MAGIC, 8);
	put_second(big, sizeof(big));
	assert_int_equal(open_second(), EXIT_PAGEFILE);
	assert_int_equal(get_second(back, sizeof(back)), sizeof(big));
	assert_memory_equal(back, big, sizeof(big));
	put_second(NULL, 0);
}

static void not_a_file(void **state)
{
	struct pagefile f;

	assert_int_equal(pagefile_open(&f, "/", &fake.x, &fake.domain,
			       NR_GFNS), EXIT_PAGEFILE);
	assert_int_equal(pagefile_open(&f, "/nowhere/file", &fake.x, &fake.domain,
			       NR_GFNS),
			 EXIT_PAGEFILE);
	assert_int_equal(pagefile_open(&f, "/dev/null", &fake.x, &fake.domain,
			       NR_GFNS),
			 EXIT_PAGEFILE);
}

static void used_again(void **state)
{
	struct stat st;
	char path[300];

	snprintf(path, sizeof(path), "%s.2", page_file);
	put_second(NULL, 0);
	assert_int_equal(open_second(), 0);
	pagefile_close(&second);
	/* No page of a guest stays behind. */
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, PAGEFILE_HEADERS * XEN_PAGE);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(open_second(), 0);
	pagefile_close(&second);
	put_second(NULL, 0);
}

/* The file needs all the room for its table when it is opened. */
static void no_room_for_table(void **state)
{
	struct rlimit limit, old;

	getrlimit(RLIMIT_FSIZE, &old);
	limit = (struct rlimit) { .rlim_cur = 3 * XEN_PAGE, .rlim_max = old.rlim_max };
	signal(SIGXFSZ, SIG_IGN);
	put_second(NULL, 0);
	setrlimit(RLIMIT_FSIZE, &limit);
	assert_int_equal(open_second(), EXIT_PAGEFILE);
	setrlimit(RLIMIT_FSIZE, &old);
	assert_non_null(strstr(log_last(), "no room for its table"));
	assert_int_equal(open_second(), 0);
	pagefile_close(&second);
	put_second(NULL, 0);
}

/* Left behind by a pager that died: by whether its domain (9) lives. */
static void left_behind(void **state)
{
	char header[PAGEFILE_HEADERS * XEN_PAGE];

	put_second(NULL, 0);
	fake.x.domid = 9;
	assert_int_equal(open_second(), 0);
	assert_int_equal(get_second(header, sizeof(header)), sizeof(header));
	pagefile_close(&second);
	fake.x.domid = 7;
	put_second(header, sizeof(header));
	assert_int_equal(open_second(), EXIT_PAGEFILE);
	assert_non_null(strstr(log_last(), "whose pager has died"));
	fake.gone = true;
	assert_int_equal(open_second(), 0);
	fake.gone = false;
	pagefile_close(&second);
	put_second(NULL, 0);
}

/* That a question fails is no answer: nothing is emptied. */
static void refused_and_whole(int code, const char *sentence)
{
	char before[PAGEFILE_HEADERS * XEN_PAGE + 4000], after[sizeof(before)];

	fake.x.domid = 9;
	assert_int_equal(open_second(), 0);
	pagefile_get(&second);
	pagefile_note_nominated(&second, 0, 300);
	assert_int_equal(get_second(before, sizeof(before)), sizeof(before));
	pagefile_leave(&second);
	fake.x.domid = 7;
	if (code == EXIT_DENIED)
		fake.alive_error = -EPERM;
	else
		pagefile_boot_id = "/nowhere";
	assert_int_equal(open_second(), code);
	assert_non_null(strstr(log_last(), sentence));
	assert_int_equal(get_second(after, sizeof(after)), sizeof(after));
	assert_memory_equal(before, after, sizeof(before));
	fake.alive_error = 0;
	pagefile_boot_id = "/proc/sys/kernel/random/boot_id";
	put_second(NULL, 0);
}

static void life_isnt_told(void **state)
{
	refused_and_whole(EXIT_DENIED, "of which Xen tells nothing");
}

static void boot_isnt_told(void **state)
{
	refused_and_whole(EXIT_PAGEFILE, "doesn't tell the boot of dom0");
}

static void slots_are_used_again(void **state)
{
	uint32_t slot[NR_GFNS], i;
	uint8_t seen[NR_GFNS] = { 0 };

	for (i = 0; i < NR_GFNS; i++) {
		slot[i] = pagefile_get(&pager->file);
		assert_false(seen[slot[i]]++);
	}
	assert_int_equal(pagefile_get(&pager->file), SLOT_NONE);
	for (i = 0; i < NR_GFNS; i += 2)
		pagefile_put(&pager->file, slot[i]);
	assert_int_equal(pager->file.used, NR_GFNS / 2);
	for (i = 0; i < NR_GFNS; i += 2)
		assert_int_not_equal(pagefile_get(&pager->file), SLOT_NONE);
	assert_int_equal(pagefile_get(&pager->file), SLOT_NONE);
	for (i = 0; i < NR_GFNS; i++)
		pagefile_put(&pager->file, slot[i]);
}

static void checksum_knows_the_page(void **state)
{
	uint32_t slot = pagefile_get(&pager->file);
	uint8_t page[XEN_PAGE] = { 1, 2, 3 };

	pagefile_seal(&pager->file, slot, 300, page);
	assert_true(pagefile_check(&pager->file, slot, 300, page));
	assert_false(pagefile_check(&pager->file, slot, 301, page));
	page[4095] ^= 0x80;
	assert_false(pagefile_check(&pager->file, slot, 300, page));
	pagefile_put(&pager->file, slot);
}

static uint64_t out_after(uint64_t gfn)
{
	for (gfn++; gfn < NR_GFNS; gfn++)
		if (fake.type[gfn] == P2M_PAGED)
			return gfn;
	fail();
	return 0;
}

static void disk_full(void **state)
{
	uint64_t gfn = one_out();

	io_write_error = -ENOSPC;
	pager->target_pages = NR_GFNS - 100;
	rounds(20);
	assert_non_null(strstr(log_last(), "can't grow"));
	assert_int_equal(fake_away(), 1);
	assert_int_equal(pager->file.used, 1);
	/* Still serving. */
	fake_touch(0, gfn);
	rounds(4);
	front_take();
	assert_int_equal(fake_touch(0, gfn), ACCESS_OK);
	/* And trying again once in a while. */
	assert_true(pager->stats.write_errors <= 16);
	seconds(61);
	assert_true(pager->stats.write_errors <= 20);
	io_write_error = 0;
	seconds(40);
	assert_non_null(strstr(log_last(), "can be written again"));
	assert_int_equal(fake_away(), 100);
	check_balance();
}

static void write_error(void **state)
{
	io_write_error = -EIO;
	pager->target_pages = NR_GFNS - 3;
	rounds(5);
	assert_non_null(strstr(log_last(), "can't be written"));
	assert_int_equal(fake_away(), 0);
	check_balance();
}

/* The same with a real file and a real limit, by both ways of I/O. */
static void real_limit(bool sync)
{
	struct rlimit limit = { .rlim_cur = 1 << 20 }, old;

	getrlimit(RLIMIT_FSIZE, &old);
	limit.rlim_max = old.rlim_max;
	limit.rlim_cur = pager->file.header->data_offset + 10 * XEN_PAGE;
	signal(SIGXFSZ, SIG_IGN);
	io_close(pager->io);
	pager->io = io_open(pager->file.fd, 16, sync);
	setrlimit(RLIMIT_FSIZE, &limit);
	pager->target_pages = NR_GFNS - 40;
	for (int i = 0; i < 20000 && (!pager->stats.write_errors || pager->io->busy); i++) {
		rounds(1);
		usleep(500);
	}
	rounds(2);
	setrlimit(RLIMIT_FSIZE, &old);
	assert_non_null(strstr(log_last(), "can't grow"));
	assert_int_equal(fake_away(), 10);
	for (unsigned int gfn = FIRST_GFN; gfn < NR_GFNS; gfn++) {
		if (fake.type[gfn] != P2M_PAGED)
			continue;
		fake_touch(0, gfn);
		for (int i = 0; i < 20000 && fake.type[gfn] != P2M_RW; i++) {
			rounds(1);
			usleep(500);
		}
		fake_verify(gfn);
	}
	assert_int_equal(fake_away(), 0);
	front_take();
	check_balance();
}

static void real_limit_uring(void **state)
{
	real_limit(false);
}

static void real_limit_sync(void **state)
{
	real_limit(true);
}

static void lost(uint64_t gfn)
{
	const char *error;

	fake.vcpu[1].state.interrupts = false;
	fake_touch(1, gfn);
	rounds(10);
	/* Nothing is handed out, and the vCPU that needs it doesn't go on. */
	assert_int_equal(fake.type[gfn], P2M_IN);
	assert_true(fake.vcpu[1].paused);
	assert_true(fake.crashed);
	assert_int_equal(pager->stats.lost, 1);
	assert_int_equal(pager->stats.wrong_sums, 3);
	error = fake_node("/local/domain/0/error/backend/pvfault/7/0/error");
	assert_non_null(strstr(error, "is lost"));
}

static void wrong_checksum(void **state)
{
	uint64_t gfn;

	take_away(2);
	for (gfn = FIRST_GFN; fake.type[gfn] != P2M_PAGED; gfn++)
		;
	spoil(gfn);
	lost(gfn);
	/* Other pages are still served, because a core dump needs them. */
	for (gfn++; fake.type[gfn] != P2M_PAGED; gfn++)
		;
	fake_foreign(gfn);
	rounds(4);
	assert_int_equal(fake.type[gfn], P2M_RW);
}

/* A minute of failures, at whatever kind: nobody is lost, and the operator knows. */
static void disk_fails(int error)
{
	const char *why;
	uint64_t gfn;

	take_away(60);
	gfn = out_after(0);
	io_read_error = error;
	fake.vcpu[1].state.interrupts = false;
	fake_touch(0, gfn);
	fake_touch(1, out_after(gfn));
	rounds(2);
	assert_int_equal(pager->pagein.failing, 2);
	seconds(60);
	assert_false(fake.crashed);
	assert_int_equal(pager->stats.lost, 0);
	/* Not as often as it can. */
	assert_in_range(pager->stats.read_errors, 20, 200);
	why = fake_node("/local/domain/0/error/backend/pvfault/7/0/error");
	assert_non_null(strstr(why, "can't be read"));
	assert_non_null(strstr(why, "2 pages wait"));
	assert_true(fake.vcpu[1].paused);
	io_read_error = 0;
	seconds(4);
	assert_string_equal(strstr(log_last(), "can be"), "can be read again");
	assert_int_equal(pager->pagein.failing, 0);
	front_take();
	assert_int_equal(fake_touch(0, gfn), ACCESS_OK);
	assert_false(fake.vcpu[1].paused);
	leave_now();
	assert_all_back();
	check_balance();
}

static void read_error(void **state)
{
	static const int error[] = { -EIO, -EAGAIN, -ENOMEM, -ENOSPC, -ETIMEDOUT };
	unsigned int i;

	for (i = 0; i < sizeof(error) / sizeof(*error); i++) {
		if (i) {
			stop(state);
			start_connected(state);
		}
		disk_fails(error[i]);
	}
}

/* An end of the file that comes too early is an error like another. */
static void short_read(void **state)
{
	uint64_t gfn = one_out();

	io_by_itself = false;
	fake_touch(0, gfn);
	rounds(1);
	io_end(0, 1000);
	rounds(1);
	assert_int_equal(pager->pagein.failing, 1);
	assert_int_equal(pager->stats.lost, 0);
	io_by_itself = true;
	rounds(50);
	assert_int_equal(fake.type[gfn], P2M_RW);
	fake_verify(gfn);
}

static void disk_limit(void **state)
{
	uint64_t gfn = one_out();

	pager->options.disk_limit_s = 30;
	io_read_error = -EIO;
	fake_touch(0, gfn);
	seconds(25);
	assert_false(fake.crashed);
	seconds(10);
	assert_true(fake.crashed);
	assert_int_equal(pager->stats.lost, 1);
	assert_int_equal(pager->pagein.failing, 0);
	assert_int_equal(fake.type[gfn], P2M_IN);
}

/* More bad places than buffers: the pages beside them come in time. */
static void bad_places(void **state)
{
	uint64_t gfn = 0;
	unsigned int i;

	take_away(40);
	for (i = 0; i < 12; i++) {
		gfn = out_after(gfn);
		io_bad(gfn);
		fake_foreign(gfn);
		rounds(1);
	}
	gfn = out_after(gfn);
	fake_foreign(gfn);
	rounds(300);
	assert_int_equal(fake.type[gfn], P2M_RW);
	assert_int_equal(pager->stats.lost, 0);
	io_bad(0);
	seconds(5);
	rounds(300);
	leave_now();
	assert_all_back();
}

/* The guest gives away what can't be read. */
static void dropped_while_failing(void **state)
{
	uint64_t gfn = one_out();

	io_read_error = -EIO;
	fake_touch(0, gfn);
	rounds(2);
	fake_drop(gfn);
	seconds(3);
	assert_int_equal(pager->pagein.failing, 0);
	assert_int_equal(pager->pagein.used, 0);
	assert_int_equal(pager->file.used, 0);
	assert_int_equal(pages_away(&pager->pages), 0);
}

/* Anything but memory: it is said, and isn't taken for a lack of that. */
static void load_error(void **state)
{
	uint64_t gfn = one_out();

	fake.load_error = -EFAULT;
	pager->now_ns += 20000000000;
	fake_touch(0, gfn);
	rounds(5);
	assert_non_null(strstr(log_last(), "can't be loaded, and waits"));
	assert_true(pager->stats.load_errors > 0);
	assert_int_equal(pager->stats.no_memory, 0);
	assert_false(pager->pagein.lacking);
	fake.load_error = 0;
	rounds(2);
	assert_int_equal(fake.type[gfn], P2M_RW);
}

/* Its pages need no more; that is no error. */
static void destroyed_meanwhile(void **state)
{
	uint64_t gfn = one_out();

	pager->now_ns += 20000000000;
	fake.domain.dying = true;
	fake_touch(0, gfn);
	rounds(2);
	assert_int_equal(pager->stats.load_errors, 0);
	assert_null(strstr(log_last(), "can't be loaded"));
	pager_tick(pager);
	assert_true(pager->gone);
	fake.domain.dying = false;
	fake.gone = true;
}

/* The domain has as much as it may have, by xl mem-set for one. */
static void no_memory_by_limit(void **state)
{
	uint64_t gfn = one_out();

	fake.domain.max_pages = fake.domain.tot_pages;
	pager->now_ns += 20000000000;
	fake_touch(0, gfn);
	rounds(5);
	assert_non_null(strstr(log_last(), "the domain's limit"));
	assert_int_equal(fake.type[gfn], P2M_IN);
	fake.domain.max_pages++;
	rounds(2);
	assert_int_equal(fake.type[gfn], P2M_RW);
}

/* It has more than that: with a target, which is far off, others make room for the page. */
static void limit_below_memory(void **state)
{
	uint64_t gfn = one_out();

	pager->target_pages = 2 * NR_GFNS;
	fake.domain.max_pages = fake.domain.tot_pages - 100;
	pager_tick(pager);
	fake_touch(0, gfn);
	rounds(50);
	seconds(2);
	assert_int_equal(fake.type[gfn], P2M_RW);
	assert_in_range(fake.domain.tot_pages, fake.domain.max_pages - 16,
			fake.domain.max_pages);
}

int test_file(void)
{
	const struct CMUnitTest tests[] = {
		pager_test(one_user_at_a_time),
		pager_test(somebody_elses_file),
		pager_test(not_a_file),
		pager_test(used_again),
		pager_test(no_room_for_table),
		pager_test(left_behind),
		pager_test(slots_are_used_again),
		pager_test(checksum_knows_the_page),
		pager_test_connected(disk_full),
		pager_test_connected(write_error),
		pager_test_connected(real_limit_uring),
		pager_test_connected(real_limit_sync),
		pager_test_connected(wrong_checksum),
		pager_test_connected(read_error),
		pager_test_connected(short_read),
		pager_test_connected(disk_limit),
		pager_test_connected(bad_places),
		pager_test_connected(dropped_while_failing),
		pager_test_connected(load_error),
		pager_test_connected(destroyed_meanwhile),
		pager_test_connected(no_memory_by_limit),
		pager_test_connected(limit_below_memory),
		pager_test(life_isnt_told),
		pager_test(boot_isnt_told),
	};

	return cmocka_run_group_tests_name("file", tests, NULL, NULL);
}
