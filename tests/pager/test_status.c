// SPDX-License-Identifier: GPL-2.0
/* Asking a running pager, and its report of times. */

#include <stdio.h>
#include <signal.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake.h"
#include "status.h"

static char folder[300];

static int start_listening(void **state)
{
	start_connected(state);
	snprintf(folder, sizeof(folder), "%s.d", page_file);
	status_open(pager, folder);
	assert_true(pager->status_fd >= 0);
	return 0;
}

static int stop_listening(void **state)
{
	status_close(pager);
	rmdir(folder);
	return stop(state);
}

static int in_child(int (*what)(void), int *out)
{
	int fd[2], pid;

	assert_int_equal(pipe(fd), 0);
	fflush(stdout);
	pid = fork();
	if (!pid) {
		dup2(fd[1], STDOUT_FILENO);
		pid = what();
		fflush(stdout);
		_exit(pid);
	}
	close(fd[1]);
	if (out)
		*out = fd[0];
	else
		close(fd[0]);
	return pid;
}

static int status_of(int pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static bool as_json;

static int ask_for_status(void)
{
	return ask_status(7, folder, as_json);
}

static void tells_all(void **state)
{
	char text[16384] = "";
	int fd, pid, i;

	take_away(30);
	pid = in_child(ask_for_status, &fd);
	for (i = 0; i < 2000 && waitpid(pid, NULL, WNOHANG) == 0; i++) {
		status_tell(pager);
		usleep(1000);
	}
	assert_true(read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	assert_non_null(strstr(text, "\nevictions 30\n"));
	assert_non_null(strstr(text, "\naway 30\n"));
	assert_non_null(strstr(text, "\nlatency_p99_us 0\n"));
	assert_non_null(strstr(text, "\nbugs 0\n"));
}

static void tells_in_json(void **state)
{
	char text[16384] = "";
	int fd, pid, i;

	take_away(30);
	as_json = true;
	pid = in_child(ask_for_status, &fd);
	for (i = 0; i < 2000 && waitpid(pid, NULL, WNOHANG) == 0; i++) {
		status_tell(pager);
		usleep(1000);
	}
	as_json = false;
	assert_true(read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	assert_ptr_equal(strstr(text, "{\"schema\": 1, \"domid\": 7, \"requests\": 0, "), text);
	assert_non_null(strstr(text, ", \"evictions\": 30, "));
	assert_non_null(strstr(text, ", \"bugs\": 0}\n"));
}

static void nobody_there(void **state)
{
	status_close(pager);
	assert_int_equal(ask_status(7, folder, false), EXIT_NO_PAGER);
	assert_int_equal(ask_drain(7, folder), EXIT_NO_PAGER);
}

static void nobody_waits(void **state)
{
	int fd = in_child(ask_for_status, NULL);

	kill(fd, SIGKILL);
	waitpid(fd, NULL, 0);
	status_tell(pager);
	status_tell(pager);
}

static void answer_closing(void)
{
	usleep(200);
	if (back_state() == XB_CLOSING)
		front_state(XB_CLOSING);
}

static int serve_till_the_end(void)
{
	sigset_t set;
	int rc;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	/* The process that listens is known. */
	status_open(pager, folder);
	fake.on_events = answer_closing;
	/* Not in the clock of the other tests. */
	pager->now_ns = now_ns();
	rc = pager_loop(pager);
	if (fake_away() || fake.enabled)
		rc = 99;
	status_close(pager);
	return rc;
}

static int be_killed(void)
{
	sigset_t set;

	/* Other tests have blocked it. */
	sigemptyset(&set);
	sigprocmask(SIG_SETMASK, &set, NULL);
	status_open(pager, folder);
	while (pager)
		status_tell(pager);
	return 0;
}

static int child_that_listens(int (*what)(void))
{
	struct sockaddr_un address;
	int pid, i;

	status_close(pager);
	status_address(folder, 7, &address);
	pid = in_child(what, NULL);
	for (i = 0; i < 5000 && access(address.sun_path, F_OK); i++)
		usleep(1000);
	usleep(10000);
	return pid;
}

static void drains(void **state)
{
	int pid, rc;

	take_away(300);
	pid = child_that_listens(serve_till_the_end);
	rc = ask_drain(7, folder);
	assert_int_equal(status_of(pid), EXIT_DONE);
	assert_int_equal(rc, EXIT_DONE);
	assert_int_equal(ask_drain(7, folder), EXIT_NO_PAGER);
}

static void dies_in_between(void **state)
{
	int pid = child_that_listens(be_killed);

	/* It doesn't block SIGTERM. */
	assert_int_equal(ask_drain(7, folder), EXIT_TROUBLE);
	assert_non_null(strstr(log_last(), "before it was done"));
	waitpid(pid, NULL, 0);
}

static void percentiles(void **state)
{
	struct stats s = { 0 };
	unsigned int i;

	assert_int_equal(stats_percentile(&s, 500), 0);
	for (i = 1; i <= 1000; i++)
		stats_latency(&s, i * 1000000ULL);
	assert_in_range(stats_percentile(&s, 500), 500000, 750000);
	assert_in_range(stats_percentile(&s, 990), 990000, 1500000);
	assert_in_range(stats_percentile(&s, 1), 1000, 1500);
	/* Days fit in somewhere, too. */
	stats_latency(&s, UINT64_MAX);
	assert_true(stats_percentile(&s, 1000) > 1000000);
}

int test_status(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(tells_all, start_listening, stop_listening),
		cmocka_unit_test_setup_teardown(tells_in_json, start_listening, stop_listening),
		cmocka_unit_test_setup_teardown(nobody_there, start_listening, stop_listening),
		cmocka_unit_test_setup_teardown(nobody_waits, start_listening, stop_listening),
		cmocka_unit_test_setup_teardown(drains, start_listening, stop_listening),
		cmocka_unit_test_setup_teardown(dies_in_between, start_listening,
						stop_listening),
		cmocka_unit_test(percentiles),
	};

	return cmocka_run_group_tests_name("status", tests, NULL, NULL);
}
