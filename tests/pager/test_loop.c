// SPDX-License-Identifier: GPL-2.0
/* The main loop as it is, with real signals and real time. */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "fake.h"
#include "notify.h"

static void block(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

/* The event descriptors are always readable, so each round is one call of this. */
static void (*each_round)(void);
static unsigned int nr_rounds;

static void count_round(void)
{
	nr_rounds++;
	usleep(200);
	each_round();
	front_take();
}

static int loop(void (*hook)(void))
{
	int rc;

	block();
	each_round = hook;
	nr_rounds = 0;
	fake.on_events = count_round;
	pager->now_ns = now_ns();
	rc = pager_loop(pager);
	fake.on_events = NULL;
	return rc;
}

static void answer_closing(void)
{
	if (back_state() == XB_CLOSING)
		front_state(XB_CLOSING);
}

static void term_at_10(void)
{
	answer_closing();
	if (nr_rounds == 10)
		raise(SIGTERM);
}

static void sigterm_drains(void **state)
{
	take_away(500);
	pager->target_pages = NR_GFNS - 500;
	fake.vcpu[1].state.interrupts = false;
	fake_touch(0, NR_GFNS - 400);
	fake_touch(1, NR_GFNS - 401);
	assert_int_equal(loop(term_at_10), EXIT_DONE);
	assert_int_equal(fake_away(), 0);
	assert_int_equal(back_state(), XB_CLOSED);
	assert_false(fake.enabled);
	assert_false(fake.vcpu[0].paused || fake.vcpu[1].paused);
	assert_int_equal(pager->file.used, 0);
	check_balance();
}

/* No read ends where there is none: the rounds must go on by themselves. */
static void drain_of_zeroes(void **state)
{
	unsigned int gfn, round = 0;

	for (gfn = FIRST_GFN; gfn < NR_GFNS; gfn++)
		fake_write(gfn, 0);
	take_away(NR_GFNS - FIRST_GFN);
	pager->leaving = true;
	pager->bring = BRING_ALL;
	device_leave(pager);
	do
		pager_round(pager);
	while (pager->busy && ++round < 1000);
	assert_int_equal(fake_away(), 0);
	leave_now();
}

static void term_often(void)
{
	answer_closing();
	if (nr_rounds >= 10)
		raise(SIGTERM);
}

static void second_signal_loses_nothing(void **state)
{
	take_away(500);
	assert_int_equal(loop(term_often), EXIT_DONE);
	assert_int_equal(fake_away(), 0);
	assert_false(fake.enabled);
	check_balance();
}

/* Memory comes after a while: until then it keeps serving. */
static void memory_later(void)
{
	term_at_10();
	if (nr_rounds == 100)
		assert_int_equal(fake_away(), 500);
	if (nr_rounds == 200)
		fake.free_pages = 1000;
}

static void drain_without_memory(void **state)
{
	take_away(500);
	fake.free_pages = 0;
	assert_int_equal(loop(memory_later), EXIT_DONE);
	assert_true(nr_rounds >= 200);
	assert_int_equal(fake_away(), 0);
	assert_true(pager->stats.no_memory > 0);
	check_balance();
}

static void says_what_is_missing(void **state)
{
	take_away(100);
	fake.free_pages = 0;
	pager->leaving = true;
	pager->bring = BRING_ALL;
	device_leave(pager);
	seconds(21);
	assert_string_equal(log_last(),
			    "Xen lacks memory for 100 pages (400 KiB) of domain 7 that are still out; they are served until there is some");
	fake.free_pages = 1000;
	leave_now();
}

static void busy_at_first(void)
{
	term_at_10();
	if (nr_rounds == 1)
		fake.disable_error = -EBUSY;
	if (nr_rounds == 100)
		fake.disable_error = 0;
}

static void disable_is_tried_again(void **state)
{
	take_away(10);
	assert_int_equal(loop(busy_at_first), EXIT_DONE);
	assert_false(fake.enabled);
}

static void die_at_10(void)
{
	if (nr_rounds == 10)
		fake.gone = true;
}

static void domain_dies(void **state)
{
	take_away(100);
	io_by_itself = false;
	fake_touch(0, NR_GFNS - 1);
	assert_int_equal(loop(die_at_10), EXIT_DONE);
	assert_string_equal(log_last(), "domain 7 is gone");
	assert_int_equal(back_state(), XB_UNKNOWN);
}

static void lost_and_gone(void **state)
{
	uint64_t gfn = one_out();

	spoil(gfn);
	fake_touch(0, gfn);
	assert_int_equal(loop(die_at_10), EXIT_LOST);
	assert_true(fake.crashed);
}

static void nothing(void)
{
}

static void no_frontend(void **state)
{
	pager->options.wait_s = 1;
	assert_int_equal(loop(nothing), EXIT_NO_FRONTEND);
	assert_false(fake.enabled);
	assert_int_equal(back_state(), XB_CLOSED);
}

static void usr1_at_5(void)
{
	if (nr_rounds == 5)
		raise(SIGUSR1);
	if (nr_rounds == 20)
		raise(SIGTERM);
	answer_closing();
}

static void counters_in_a_file(void **state)
{
	char path[300], line[200];
	bool found = false;
	FILE *file;

	snprintf(path, sizeof(path), "%s.stats", page_file);
	unlink(path);
	pager->options.stats = path;
	one_out();
	assert_int_equal(loop(usr1_at_5), EXIT_DONE);
	pager->options.stats = NULL;
	file = fopen(path, "r");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		found |= !strcmp(line, "evictions 1\n");
	fclose(file);
	unlink(path);
	assert_true(found);
}

/* Pages that come back during a live migration are marked until its end. */
static void live_migration(void **state)
{
	bool sent[NR_GFNS];
	unsigned int gfn;

	take_away(100);
	for (gfn = 0; gfn < NR_GFNS; gfn++)
		sent[gfn] = fake.type[gfn] == P2M_RW;
	/* Some come and go meanwhile, and one is put back. */
	for (gfn = FIRST_GFN; gfn < NR_GFNS; gfn += 3) {
		fake_touch(gfn % NR_VCPUS, gfn);
		rounds(1);
	}
	front_take();
	fake.evict_busy[NR_GFNS - 1] = true;
	take_away(NR_GFNS - FIRST_GFN - 1);
	assert_true(pager->stats.put_back > 0);
	assert_true(fake.dirty[NR_GFNS - 1]);
	bury();
	assert_int_equal(start_again(), 0);
	rounds(2);
	/* Then the guest suspends. */
	leave_now();
	for (gfn = 0; gfn < NR_GFNS; gfn++)
		assert_true(sent[gfn] || fake.dirty[gfn]);
}

/* The file of counters is a link: what it leads to stays as it is. */
static void counters_follow_no_link(void **state)
{
	char path[300], new[310], other[310], text[16];
	FILE *file;

	snprintf(path, sizeof(path), "%s.stats", page_file);
	snprintf(new, sizeof(new), "%s.new", path);
	snprintf(other, sizeof(other), "%s.other", path);
	file = fopen(other, "w");
	fputs("mine", file);
	fclose(file);
	assert_int_equal(symlink(other, new), 0);
	pager->options.stats = path;
	stats_write(pager, true);
	pager->options.stats = NULL;
	file = fopen(other, "r");
	assert_non_null(fgets(text, sizeof(text), file));
	fclose(file);
	assert_string_equal(text, "mine");
	unlink(path);
	unlink(other);
}

/* A guest writes without end: one look at its folder, and the operator is heard. */
static void guest_writes_often(void **state)
{
	unsigned int i, round;
	unsigned long before = pager->stats.watches;

	for (round = 0; round < 5; round++) {
		for (i = 0; i < 5000; i++)
			front_node("nonsense", "1");
		fake_store("/local/domain/7/memory/pvfault-target", round % 2 ? "4096" : "2048");
		rounds(1);
		assert_int_equal(fake.nr_fired, 0);
		assert_int_equal(pager->target_pages, round % 2 ? 1024 : 512);
	}
	assert_int_equal(pager->stats.watches - before, 5 * 5001);
	assert_int_equal(pager->stats.offers, 0);
	pager->target_pages = UINT64_MAX;
}

/* And changes its offer without end: each of them is work for dom0. */
static void guest_offers_often(void **state)
{
	unsigned int i, before;

	for (i = 0; i < 200; i++) {
		front_offer(i % 2 ? "256+768" : "256+700");
		front_state(XB_RECONFIGURING);
		rounds(2);
		if (back_state() == XB_RECONFIGURED) {
			front_state(XB_CONNECTED);
			rounds(1);
		}
	}
	before = pager->stats.offers;
	assert_in_range(before, 16, 40);
	/* It isn't forgotten. */
	seconds(3);
	assert_true(pager->stats.offers > before);
	assert_int_equal(back_state(), XB_RECONFIGURED);
}

/* "xl mem-set" changes what the domain may have, not what it was built for. */
static void limit_goes_down(void **state)
{
	bury();
	unlink(page_file);
	fake_store("/local/domain/7/memory/static-max", "4096");
	fake.domain.max_pages = 300;
	assert_int_equal(start_again(), 0);
	assert_int_equal(pager->file.nr_slots, NR_GFNS);
	fake.domain.max_pages = NR_GFNS;
	front_connect("256+768");
	take_away(500);
	fake.domain.max_pages = 600;
	front_offer("256+700");
	front_state(XB_RECONFIGURING);
	rounds(100);
	assert_int_equal(back_state(), XB_RECONFIGURED);
	assert_int_equal(pager->stats.frontend_errors, 0);
}

/* So many places and no more; the room is given back when nothing lies there. */
static void file_limit(void **state)
{
	struct stat st;

	pager->file.limit = 50;
	pager->target_pages = NR_GFNS - 100;
	rounds(100);
	assert_int_equal(fake_away(), 50);
	assert_non_null(strstr(log_last(), "a limit is reached"));
	assert_int_equal(fstat(pager->file.fd, &st), 0);
	assert_true(st.st_size > (off_t)pager->file.header->data_offset);
	leave_now();
	assert_int_equal(fstat(pager->file.fd, &st), 0);
	assert_int_equal(st.st_size, pager->file.header->data_offset);
	assert_all_back();
}

/* Nobody reads what the pager says: it goes on, and says later how much that was. */
static void nobody_reads(void **state)
{
	int fd[2], saved = dup(STDERR_FILENO), i;
	char text[65536 + 4096];

	assert_int_equal(pipe(fd), 0);
	dup2(fd[1], STDERR_FILENO);
	log_quiet = false;
	for (i = 0; i < 5000; i++)
		say("a sentence that nobody reads, %d", i);
	assert_true(log_unsaid > 1000);
	assert_true(read(fd[0], text, sizeof(text)) > 0);
	say("the end");
	assert_int_equal(log_unsaid, 0);
	log_quiet = true;
	dup2(saved, STDERR_FILENO);
	close(saved);
	memset(text, 0, sizeof(text));
	assert_true(read(fd[0], text, sizeof(text) - 1) > 0);
	assert_non_null(strstr(text, "lines before were not read in time"));
	close(fd[0]);
	close(fd[1]);
}

/* What systemd hears, and how: a datagram, to a name that may be abstract. */
static void service_manager(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char text[64] = "", path[300];
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	snprintf(path, sizeof(path), "@pvfault-test-%d", getpid());
	memcpy(address.sun_path + 1, path + 1, strlen(path) - 1);
	assert_int_equal(bind(fd, (struct sockaddr *)&address,
			      offsetof(struct sockaddr_un, sun_path) + strlen(path)), 0);
	notify("READY=1");
	setenv("NOTIFY_SOCKET", path, 1);
	notify("STATUS=%d pages", 3);
	unsetenv("NOTIFY_SOCKET");
	assert_int_equal(recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT), 14);
	assert_string_equal(text, "STATUS=3 pages");
	close(fd);
}

int test_loop(void)
{
	const struct CMUnitTest tests[] = {
		pager_test_connected(sigterm_drains),
		pager_test_connected(drain_of_zeroes),
		pager_test_connected(second_signal_loses_nothing),
		pager_test_connected(drain_without_memory),
		pager_test_connected(says_what_is_missing),
		pager_test_connected(disable_is_tried_again),
		pager_test_connected(domain_dies),
		pager_test_connected(lost_and_gone),
		pager_test(no_frontend),
		pager_test_connected(counters_in_a_file),
		pager_test_connected(live_migration),
		pager_test_connected(counters_follow_no_link),
		pager_test_connected(guest_writes_often),
		pager_test_connected(guest_offers_often),
		pager_test(limit_goes_down),
		pager_test_connected(file_limit),
		pager_test(nobody_reads),
		pager_test(service_manager),
	};

	return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
