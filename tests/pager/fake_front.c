// SPDX-License-Identifier: GPL-2.0
/* The simulated Xen: XenStore, grants, and a frontend; see fake.h. */

#include <errno.h>
#include <stdio.h>

#include "fake.h"

#define FRONT_PATH	"/local/domain/7/device/pvfault/0"
#define BACK_PATH	"/local/domain/0/backend/pvfault/7/0"
#define FRONT_REF	11
#define RING_REF	20
#define FRONT_PORT	5

static int find_node(const char *path)
{
	unsigned int i;

	for (i = 0; i < fake.nr_nodes; i++)
		if (!strcmp(fake.node[i].path, path))
			return i;
	return -1;
}

void fake_fire(const char *token)
{
	/* As XenStore does it: one for each write, and nobody takes them together. */
	assert_true(fake.nr_fired < sizeof(fake.fired) / sizeof(*fake.fired));
	fake.fired[fake.nr_fired++] = token;
}

void fake_store(const char *path, const char *value)
{
	int i = find_node(path);

	if (i >= 0) {
		free(fake.node[i].path);
		free(fake.node[i].value);
		fake.node[i] = fake.node[--fake.nr_nodes];
	}
	if (value) {
		assert_true(fake.nr_nodes < MAX_NODES);
		fake.node[fake.nr_nodes].path = strdup(path);
		fake.node[fake.nr_nodes++].value = strdup(value);
	}
	if (!strncmp(path, FRONT_PATH, strlen(FRONT_PATH)))
		fake_fire(WATCH_FRONTEND);
	if (strstr(path, "pvfault-target"))
		fake_fire(WATCH_TARGET);
}

const char *fake_node(const char *path)
{
	int i = find_node(path);

	return i < 0 ? NULL : fake.node[i].value;
}

char *xenif_read(struct xenif *x, const char *path)
{
	const char *value = fake_node(path);

	if (fake.store_gone) {
		errno = EIO;
		return NULL;
	}
	errno = ENOENT;
	return value ? strdup(value) : NULL;
}

/* As xs_directory(): all in one piece. */
char **xenif_list(struct xenif *x, const char *path, unsigned int *nr)
{
	char **names = calloc(MAX_NODES, sizeof(*names) + 32), *text;
	unsigned int i, j, length = strlen(path);

	*nr = 0;
	errno = ENOENT;
	text = (char *)(names + MAX_NODES);
	for (i = 0; i < fake.nr_nodes; i++) {
		const char *rest = fake.node[i].path + length;

		if (strncmp(fake.node[i].path, path, length) || *rest++ != '/')
			continue;
		snprintf(text, 32, "%.*s", (int)strcspn(rest, "/"), rest);
		for (j = 0; j < *nr && strcmp(names[j], text); j++)
			;
		if (j < *nr)
			continue;
		names[(*nr)++] = text;
		text += 32;
	}
	if (*nr && !fake.store_gone)
		return names;
	free(names);
	return NULL;
}

int xenif_write(struct xenif *x, const char *path, const char *value)
{
	if (fake.on_write)
		fake.on_write();
	if (fake.write_error || fake.store_gone)
		return fake.write_error ? fake.write_error : -EIO;
	fake_store(path, value);
	return 0;
}

int xenif_make(struct xenif *x, unsigned int nr, const struct xenif_node *node)
{
	unsigned int i;

	if (fake.on_write)
		fake.on_write();
	if (fake.write_error || fake.store_gone)
		return fake.write_error ? fake.write_error : -EIO;
	for (i = 0; i < nr; i++) {
		/* The guest may write its own folder, and nothing else. */
		if (!strcmp(node[i].path, FRONT_PATH))
			assert_int_equal(node[i].owner, 7);
		else if (node[i].owner >= 0)
			assert_int_equal(node[i].owner, 0);
		fake_store(node[i].path, node[i].value);
	}
	return 0;
}

int xenif_remove(struct xenif *x, const char *path)
{
	unsigned int i;

	for (i = 0; i < fake.nr_nodes; i++) {
		char *node = fake.node[i].path;

		if (strncmp(node, path, strlen(path)))
			continue;
		node = strdup(node);
		fake_store(node, NULL);
		free(node);
		i--;
	}
	return 0;
}

int xenif_watch(struct xenif *x, const char *path, const char *token)
{
	fake_fire(token);
	return 0;
}

const char *xenif_next_watch(struct xenif *x)
{
	const char *token;

	if (!fake.nr_fired)
		return NULL;
	token = fake.fired[0];
	memmove(fake.fired, fake.fired + 1, --fake.nr_fired * sizeof(*fake.fired));
	return token;
}

int xenif_map_front(struct xenif *x, uint32_t ref, const void **page)
{
	if (ref != FRONT_REF)
		return -EINVAL;
	assert_false(fake.front_mapped);
	fake.front_mapped = true;
	*page = fake.front;
	return 0;
}

int xenif_map_ring(struct xenif *x, unsigned int nr, uint32_t *ref, void **pages)
{
	unsigned int i;

	if (nr != 1 << FRONT_ORDER)
		return -EINVAL;
	for (i = 0; i < nr; i++)
		if (ref[i] != RING_REF + i)
			return -EINVAL;
	assert_false(fake.ring_mapped);
	fake.ring_mapped = true;
	*pages = fake.ring;
	return 0;
}

void xenif_unmap(struct xenif *x, const void *pages, unsigned int nr)
{
	if (pages == fake.front) {
		assert_true(fake.front_mapped);
		fake.front_mapped = false;
	} else {
		assert_true(fake.ring_mapped);
		fake.ring_mapped = false;
	}
}

int xenif_bind(struct xenif *x, uint32_t remote)
{
	if (remote != FRONT_PORT)
		return -EINVAL;
	assert_int_equal(fake.port, -1);
	fake.port = 3;
	return 3;
}

void xenif_unbind(struct xenif *x, int local)
{
	assert_int_equal(local, fake.port);
	fake.port = -1;
}

void xenif_notify(struct xenif *x, int local)
{
	assert_int_equal(local, fake.port);
	fake.notifies++;
}

void xenif_clear_events(struct xenif *x)
{
	if (fake.on_events)
		fake.on_events();
}

void xenif_close(struct xenif *x)
{
}

int xenif_domain(struct xenif *x, struct xenif_domain *domain)
{
	unsigned int gfn;

	if (fake.gone)
		return -ESRCH;
	if (fake.domain_error)
		return fake.domain_error;
	*domain = fake.domain;
	domain->paused = fake.paused;
	domain->paged_pages = fake.paged_bias;
	for (gfn = 0; gfn < NR_GFNS; gfn++)
		domain->paged_pages += (fake.type[gfn] == P2M_PAGED || fake.type[gfn] == P2M_IN) &&
				       !fake.has_page[gfn];
	return 0;
}

int xenif_alive(struct xenif *x, uint32_t domid, const uint8_t *uuid)
{
	if (fake.alive_error)
		return fake.alive_error;
	return (domid == 7 || domid == 9) && !fake.gone;
}

int xenif_crash(struct xenif *x)
{
	fake.crashed = true;
	return 0;
}

void front_node(const char *name, const char *value)
{
	char path[128];

	snprintf(path, sizeof(path), FRONT_PATH "/%s", name);
	fake_store(path, value);
}

void front_state(enum xenbus_state state)
{
	char value[8];

	snprintf(value, sizeof(value), "%d", state);
	front_node("state", value);
}

enum xenbus_state back_state(void)
{
	const char *value = fake_node(BACK_PATH "/state");

	return value ? atoi(value) : XB_UNKNOWN;
}

/* All in one transaction, which the pager sees as one: it doesn't run in between. */
void front_offer(const char *offer)
{
	char serial[12];

	snprintf(serial, sizeof(serial), "%u", ++fake.serial);
	front_node("offer-serial", serial);
	front_node("offer", offer);
}

/* Does the backend mean the last one? */
bool front_agreed(void)
{
	const char *serial = fake_node(BACK_PATH "/agreed-serial");

	return serial && (uint32_t)atoi(serial) == fake.serial;
}

void front_nodes(const char *offer)
{
	front_node("version", "1");
	front_node("front-ref", "11");
	front_node("ring-page-order", "1");
	front_node("ring-ref0", "20");
	front_node("ring-ref1", "21");
	front_node("event-channel", "5");
	front_node("max-outstanding", "512");
	front_node("feature-clear", "1");
	front_offer(offer);
	fake.front->event = fake.front->cons + 1;
	fake.front->clear_base = 0xffff888000000000;
	fake.front->clear_ip = 0xffffffff81234567;
}

void front_connect(const char *offer)
{
	unsigned int vcpu;

	front_nodes(offer);
	front_state(XB_INITIALISED);
	rounds(2);
	assert_int_equal(back_state(), XB_CONNECTED);
	assert_true(front_agreed());
	for (vcpu = 0; vcpu < NR_VCPUS; vcpu++)
		fake.front->tell[vcpu] = XEN_PVFAULT_TELL_USER | XEN_PVFAULT_TELL_KERNEL;
	front_state(XB_CONNECTED);
	rounds(2);
}

static void wake(unsigned int i)
{
	fake.sleeper[i] = fake.sleeper[--fake.nr_sleepers];
}

static void ready(uint64_t token)
{
	unsigned int i;

	fake.ready_seen++;
	for (i = 0; i < fake.nr_sleepers; i++) {
		if (fake.sleeper[i].token != token)
			continue;
		wake(i);
		return;
	}
	fake.ready_unknown++;
}

/* As in io/pvfault.h. */
void front_take(void)
{
	const uint32_t length = XEN_PVFAULT_RING_LENGTH(FRONT_ORDER);
	uint32_t cons = fake.front->cons;

	if (!fake.ring_mapped)
		return;
	if (fake.ring->all != fake.front_all) {
		fake.front_all = fake.ring->all;
		fake.nr_sleepers = 0;
	}
	assert_true(fake.ring->prod - cons <= length);
	while (cons != fake.ring->prod)
		ready(fake.ring->entry[cons++ % length]);
	fake.front->cons = cons;
	fake.front->event = cons + 1;
}

bool sleeps_on(uint64_t gfn)
{
	unsigned int i;

	for (i = 0; i < fake.nr_sleepers; i++)
		if (fake.sleeper[i].gfn == gfn)
			return true;
	return false;
}
