// SPDX-License-Identifier: GPL-2.0
/*
 * /init of a host of guests, L1 or dom0: runs commands for the rig, see agent.py.
 *
 * A request is a header and a command, for a shell in a session of its own. Its answers
 * are START with the session's number, OUTPUT until nothing can write any more, and END
 * with the shell's status. Any number of commands may run at a time. Each answer is a
 * single write, so that answers don't mix.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest.h"

#define PORT	"/dev/vport0p1"

enum { START, OUTPUT, END };

static struct {
	uint32_t job, what, octets;
	char data[16 << 10];
} frame;

static int port;

/* The port takes all of it, or nothing while it is full. */
static void answer(uint32_t what, size_t octets)
{
	frame.what = what;
	frame.octets = octets;
	while (!write(port, &frame, frame.data - (char *)&frame + octets))
		usleep(1000);
}

static void answer_number(uint32_t what, int number)
{
	answer(what, sprintf(frame.data, "%d", number));
}

static void run(void)
{
	int out[2], status;
	ssize_t n;
	pid_t pid;

	signal(SIGCHLD, SIG_DFL);
	pipe(out);
	pid = fork();
	if (!pid) {
		setsid();
		dup2(out[1], 1);
		dup2(out[1], 2);
		close(out[0]);
		close(out[1]);
		execl("/bin/sh", "sh", "-c", frame.data, NULL);
	}
	close(out[1]);
	answer_number(START, pid);
	while ((n = read(out[0], frame.data, sizeof(frame.data))) > 0)
		answer(OUTPUT, n);
	waitpid(pid, &status, 0);
	answer_number(END, WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
	exit(0);
}

int main(void)
{
	FILE *requests;

	guest_start();
	setenv("PATH", "/bin:/usr/bin", 1);
	signal(SIGCHLD, SIG_IGN);
	while ((port = open(PORT, O_RDWR | O_CLOEXEC)) < 0)
		usleep(10000);
	freopen("/dev/null", "r", stdin);
	answer_number(END, 0);
	requests = fdopen(port, "r");
	/* Octets, not items: a command may be empty. */
	while (fread(&frame, frame.data - (char *)&frame, 1, requests) == 1 &&
	       fread(frame.data, 1, frame.octets, requests) == frame.octets) {
		frame.data[frame.octets] = '\0';
		if (!fork())
			run();
	}
	return 1;
}
