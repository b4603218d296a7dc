// SPDX-License-Identifier: GPL-2.0
/*
 * What can be seen of the tasks that wait, by way of pvfault-stat and of what the kernel
 * has for all tasks.
 *
 *   load.seen=ROOT	run /bin/pvfault-stat in all its forms, with --root ROOT ("/" is
 *			what it is); report the delays that taskstats knows of, and the
 *			io pressure of a cgroup in which a task waits, and of one in which
 *			nobody does; run the commands in /commands, those of
 *			troubleshooting.rst
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/taskstats.h>

#include "guest.h"
#include "pvload.h"

#define CGROUP		"/tmp/cgroup"
#define TEXTFILE	"/tmp/pvfault.prom"

static char root[64];

/* Report what it says under @key, a line each; as nobody, if it isn't @privileged. */
static void run_stat(const char *key, bool privileged, const char *args)
{
	char command[256], line[8192];
	int ends[2];
	FILE *f;

	if (pipe(ends))
		return;
	snprintf(command, sizeof(command), "pvfault-stat --root %s %s", root, args);
	if (!fork()) {
		char *argv[16] = { strtok(command, " ") };

		for (int i = 1; i < 15 && (argv[i] = strtok(NULL, " ")); i++)
			;
		dup2(ends[1], 1);
		dup2(ends[1], 2);
		if (!privileged && setuid(65534))
			_exit(1);
		execv("/bin/pvfault-stat", argv);
		_exit(1);
	}
	close(ends[1]);
	f = fdopen(ends[0], "r");
	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		report("%s %s", key, line);
	}
	if (f)
		fclose(f);
	wait(NULL);
}

static void report_textfile(void)
{
	char line[256];
	FILE *f;

	run_stat("textfile_said", true, "--textfile " TEXTFILE);
	f = fopen(TEXTFILE, "r");
	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		if (line[0] != '#')
			report("textfile %s", line);
	}
	if (f)
		fclose(f);
}

/* A request to generic netlink, with one attribute; its answer comes back in @buf. */
static ssize_t ask(int fd, int family, int command, int type, const void *value, int size,
		   char *buf, size_t room)
{
	struct {
		struct nlmsghdr n;
		struct genlmsghdr g;
		char attr[64];
	} m = {
		.n.nlmsg_type = family,
		.n.nlmsg_flags = NLM_F_REQUEST,
		.n.nlmsg_len = NLMSG_LENGTH(GENL_HDRLEN) + NLA_HDRLEN + NLA_ALIGN(size),
		.g.cmd = command,
		.g.version = 1,
	};
	struct nlattr *a = (void *)m.attr;

	a->nla_type = type;
	a->nla_len = NLA_HDRLEN + size;
	memcpy((char *)a + NLA_HDRLEN, value, size);
	if (send(fd, &m, m.n.nlmsg_len, 0) < 0)
		return -1;
	return recv(fd, buf, room, 0);
}

/* The attribute of that @type among those from @a on, @left octets. */
static const struct nlattr *attribute(const void *from, ssize_t left, int type)
{
	const struct nlattr *a = from;

	while (left >= NLA_HDRLEN && a->nla_len >= NLA_HDRLEN && a->nla_len <= left) {
		if ((a->nla_type & NLA_TYPE_MASK) == type)
			return a;
		left -= NLA_ALIGN(a->nla_len);
		a = (const void *)((const char *)a + NLA_ALIGN(a->nla_len));
	}
	return NULL;
}

static const struct nlattr *answered(const char *buf, ssize_t octets, int type)
{
	const struct nlmsghdr *n = (const void *)buf;
	ssize_t head = NLMSG_HDRLEN + GENL_HDRLEN;

	if (octets < head || n->nlmsg_type == NLMSG_ERROR)
		return NULL;
	return attribute(buf + head, octets - head, type);
}

static bool task_delays(int fd, int family, uint32_t pid, struct taskstats *t)
{
	static char buf[4096];
	const struct nlattr *a;
	ssize_t n = ask(fd, family, TASKSTATS_CMD_GET, TASKSTATS_CMD_ATTR_PID, &pid, sizeof(pid),
			buf, sizeof(buf));

	a = answered(buf, n, TASKSTATS_TYPE_AGGR_PID);
	if (!a)
		return false;
	a = attribute((const char *)a + NLA_HDRLEN, a->nla_len - NLA_HDRLEN,
		      TASKSTATS_TYPE_STATS);
	if (!a)
		return false;
	memset(t, 0, sizeof(*t));
	n = a->nla_len - NLA_HDRLEN;
	memcpy(t, (const char *)a + NLA_HDRLEN, n < (ssize_t)sizeof(*t) ? n : (ssize_t)sizeof(*t));
	return true;
}

/* The block I/O delays of all tasks that there are, as getdelays shows them. */
static void report_delays(void)
{
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_GENERIC);
	static const char name[] = TASKSTATS_GENL_NAME;
	unsigned long long waits = 0, ns = 0;
	const struct nlattr *a;
	struct taskstats t;
	struct dirent *e;
	char buf[4096];
	int family;
	DIR *d;

	a = answered(buf, ask(fd, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_NAME, name,
			      sizeof(name), buf, sizeof(buf)), CTRL_ATTR_FAMILY_ID);
	if (!a) {
		report("error taskstats: %s", strerror(errno));
		return;
	}
	family = *(const uint16_t *)((const char *)a + NLA_HDRLEN);
	d = opendir("/proc");
	while (d && (e = readdir(d))) {
		if (!atoi(e->d_name) || !task_delays(fd, family, atoi(e->d_name), &t))
			continue;
		waits += t.blkio_count;
		ns += t.blkio_delay_total;
	}
	if (d)
		closedir(d);
	close(fd);
	report("blkio_delays %llu", waits);
	report("blkio_delay_ms %.1f", ns / 1e6);
}

static void report_pressure(const char *group)
{
	char path[128], line[160];
	unsigned long long us;
	FILE *f;

	snprintf(path, sizeof(path), CGROUP "/%s/io.pressure", group);
	f = fopen(path, "r");
	if (f && fgets(line, sizeof(line), f) &&
	    sscanf(line, "some avg10=%*f avg60=%*f avg300=%*f total=%llu", &us) == 1)
		report("io_pressure_us.%s %llu", group, us);
	else
		report("error %s: %s", path, strerror(errno));
	if (f)
		fclose(f);
}

/* Put those that wait, as they are seen, into a group of their own. */
static void group_sleepers(void)
{
	char line[160], pid[16];
	FILE *f;

	mkdir(CGROUP, 0755);
	if (mount("cgroup2", CGROUP, "cgroup2", 0, NULL) || mkdir(CGROUP "/waiting", 0755) ||
	    mkdir(CGROUP "/other", 0755))
		report("error " CGROUP ": %s", strerror(errno));
	for (unsigned int tries = 0, moved = 0; tries < 1000 && !moved; tries++) {
		f = fopen("/sys/kernel/debug/pvfault/sleepers", "r");
		while (f && fgets(line, sizeof(line), f))
			if (sscanf(line, "%*s %*d %*d %15s", pid) == 1 && atoi(pid) > 1)
				moved += write_file(CGROUP "/waiting/cgroup.procs", pid);
		if (f)
			fclose(f);
		usleep(10000);
	}
}

/* Each must work, and say something unless its output goes elsewhere. */
static void run_commands(void)
{
	char command[256], shell[300], out[4096];
	FILE *f = fopen("/commands", "r"), *p;
	unsigned int n = 0;

	while (f && fgets(command, sizeof(command), f)) {
		size_t got = 0;
		int status;

		command[strcspn(command, "\n")] = '\0';
		snprintf(shell, sizeof(shell), "%s 2>&1", command);
		p = popen(shell, "r");
		if (p)
			got = fread(out, 1, sizeof(out) - 1, p);
		out[got] = '\0';
		status = p ? pclose(p) : -1;
		report("command %d %zu %s", status, got, command);
		if (status)
			report("command_said %s", out);
		n++;
	}
	if (f)
		fclose(f);
	report("commands %u", n);
}

static void see(void)
{
	await_walk();
	group_sleepers();
	run_stat("lines", true, "1 3");
	run_stat("json", true, "--json 3 1");
	run_stat("json_user", false, "--json --once");
	run_stat("once", false, "--once");
	report_textfile();
	run_commands();
	report_delays();
	report_pressure("waiting");
	report_pressure("other");
}

void seen_start(void)
{
	if (parameter_text("load.seen", root, sizeof(root)))
		start_awaited(see);
}
