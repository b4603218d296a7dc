// SPDX-License-Identifier: GPL-2.0
/*
 * A guest that takes its memory back from Xen's pager, while it is walked:
 *
 *   load.rebind=1	the driver lets go of the device and takes it again
 *   load.offline=N	after so many seconds a block of memory goes offline, and
 *			online again
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "guest.h"
#include "pvload.h"

#define DRIVER	"/sys/bus/xen/drivers/pvfault"
#define DEVICE	"pvfault-0"
#define COUNTS	DRIVER "/" DEVICE "/pvfault"
#define MEMORY	"/sys/devices/system/memory"
#define BLOCKS	64

/* How many of the device's attributes there are and can be read. */
static unsigned int attributes(void)
{
	DIR *dir = opendir(COUNTS);
	unsigned int n = 0;
	struct dirent *entry;
	char path[512];

	while (dir && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), COUNTS "/%s", entry->d_name);
		n += entry->d_name[0] != '.' && read_number(path) >= 0;
	}
	if (dir)
		closedir(dir);
	return n;
}

/* Does the file begin with TEXT? */
static bool begins(const char *path, const char *text)
{
	FILE *f = fopen(path, "r");
	char line[64] = "";

	if (!f)
		return false;
	if (!fgets(line, sizeof(line), f))
		line[0] = '\0';
	fclose(f);
	return !strncmp(line, text, strlen(text));
}

/* Wait until the pager has been connected for 3 seconds, so that it could take pages. */
static void rebind(void)
{
	unsigned int n = 0;

	await_walk();
	for (sleep(3); walking(); sleep(3)) {
		if (!begins(PVFAULT_DIR "/backend", "xen"))
			continue;
		report("attributes %u", attributes());
		if (!write_file(DRIVER "/unbind", DEVICE))
			report("error unbind: %s", strerror(errno));
		report("attributes_unbound %u", attributes());
		report("outstanding_unbound %ld", read_number(PVFAULT_DIR "/outstanding"));
		if (!write_file(DRIVER "/bind", DEVICE))
			report("error bind: %s", strerror(errno));
		n++;
	}
	report("rebinds %u", n);
}

/* Is block @nr for movable pages alone? */
static bool movable(int nr)
{
	char path[128];

	snprintf(path, sizeof(path), MEMORY "/memory%d/valid_zones", nr);
	return begins(path, "Movable");
}

/* Take a block offline, the first that can. Boot has put kernel data into the last one. */
static bool take_offline(char *state, size_t size)
{
	for (int nr = BLOCKS - 1; nr >= 0; nr--) {
		snprintf(state, size, MEMORY "/memory%d/state", nr);
		if (movable(nr) && write_file(state, "offline"))
			return true;
	}
	return false;
}

static void offline(void)
{
	unsigned int n = 0, refused = 0;
	long online = 0, less = 0;
	char state[128];

	await_walk();
	for (sleep(parameter("load.offline", 0)); walking(); sleep(2)) {
		online = read_number(COUNTS "/offered_pages");
		if (!take_offline(state, sizeof(state))) {
			report("refused %s", strerror(errno));
			refused++;
			continue;
		}
		less = online - read_number(COUNTS "/offered_pages");
		if (!write_file(state, "online_movable"))
			report("error online: %s", strerror(errno));
		n++;
	}
	report("offlines %u", n);
	report("offlines_refused %u", refused);
	report("offered %ld", online);
	report("offered_less %ld", less);
}

void withdraw_start(void)
{
	start_if("load.rebind", rebind);
	start_if("load.offline", offline);
}
