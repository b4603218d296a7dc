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
	rc = pagefile_open(&second, path, &fake.x, &fake.domain);
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

	assert_int_equal(pagefile_open(&other, page_file, &fake.x, &fake.domain),
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

	assert_int_equal(pagefile_open(&f, "/", &fake.x, &fake.domain), EXIT_PAGEFILE);
	assert_int_equal(pagefile_open(&f, "/nowhere/file", &fake.x, &fake.domain),
			 EXIT_PAGEFILE);
	assert_int_equal(pagefile_open(&f, "/dev/null", &fake.x, &fake.domain),
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

static void flip(uint64_t gfn)
{
	uint32_t slot = pager->pages.page[pages_find(&pager->pages, gfn)].slot;
	uint8_t *page = aligned_alloc(XEN_PAGE, XEN_PAGE);
	uint64_t offset = pagefile_offset(&pager->file, slot);

	assert_int_equal(pread(pager->file.fd, page, XEN_PAGE, offset), XEN_PAGE);
	page[1000] ^= 1;
	assert_int_equal(pwrite(pager->file.fd, page, XEN_PAGE, offset), XEN_PAGE);
	free(page);
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
	assert_int_equal(pager->stats.read_errors, 3);
	error = fake_node("/local/domain/0/error/backend/pvfault/7/0/error");
	assert_non_null(strstr(error, "is lost"));
}

static void wrong_checksum(void **state)
{
	uint64_t gfn;

	take_away(2);
	for (gfn = FIRST_GFN; fake.type[gfn] != P2M_PAGED; gfn++)
		;
	flip(gfn);
	lost(gfn);
	/* Other pages are still served, because a core dump needs them. */
	for (gfn++; fake.type[gfn] != P2M_PAGED; gfn++)
		;
	fake_foreign(gfn);
	rounds(4);
	assert_int_equal(fake.type[gfn], P2M_RW);
}

static void read_error(void **state)
{
	uint64_t gfn = one_out();

	io_read_error = -EIO;
	lost(gfn);
}

static void error_that_passes(void **state)
{
	uint64_t gfn = one_out();

	io_by_itself = false;
	fake_touch(0, gfn);
	rounds(1);
	io_end(0, -EIO);
	assert_int_equal(io_waiting, 1);
	io_end(0, 0);
	rounds(1);
	assert_int_equal(fake.type[gfn], P2M_RW);
	assert_int_equal(pager->stats.lost, 0);
	assert_int_equal(pager->stats.read_errors, 1);
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
		pager_test_connected(error_that_passes),
	};

	return cmocka_run_group_tests_name("file", tests, NULL, NULL);
}
