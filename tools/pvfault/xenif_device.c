// SPDX-License-Identifier: GPL-2.0
/* Grants, event channels, XenStore; see xenif.h. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "xenif_int.h"

int xenif_map_front(struct xenif *x, uint32_t ref, const void **page)
{
	*page = xengnttab_map_grant_ref(real(x)->gnttab, x->domid, ref, PROT_READ);
	return *page ? 0 : -errno;
}

int xenif_map_ring(struct xenif *x, unsigned int nr, uint32_t *ref, void **pages)
{
	*pages = xengnttab_map_domain_grant_refs(real(x)->gnttab, nr, x->domid, ref,
						 PROT_READ | PROT_WRITE);
	return *pages ? 0 : -errno;
}

void xenif_unmap(struct xenif *x, const void *pages, unsigned int nr)
{
	xengnttab_unmap(real(x)->gnttab, (void *)pages, nr);
}

int xenif_bind(struct xenif *x, uint32_t remote)
{
	int port = xenevtchn_bind_interdomain(real(x)->evtchn, x->domid, remote);

	return port < 0 ? -errno : port;
}

void xenif_unbind(struct xenif *x, int local)
{
	xenevtchn_unbind(real(x)->evtchn, local);
}

void xenif_notify(struct xenif *x, int local)
{
	xenevtchn_notify(real(x)->evtchn, local);
}

/*
 * Only Xen's ring sends events that matter. The frontend's port stays masked once it
 * fired, so that it can't keep us busy.
 */
void xenif_clear_events(struct xenif *x)
{
	struct xenif_real *r = real(x);
	xenevtchn_port_or_error_t port = xenevtchn_pending(r->evtchn);

	if (port >= 0 && port == r->paging_port)
		xenevtchn_unmask(r->evtchn, port);
}

char *xenif_read(struct xenif *x, const char *path)
{
	unsigned int len;
	char *value = xs_read(real(x)->store, XBT_NULL, path, &len);

	if (value && strlen(value) != len) {
		free(value);
		value = NULL;
		errno = EINVAL;
	}
	return value;
}

char **xenif_list(struct xenif *x, const char *path, unsigned int *nr)
{
	return xs_directory(real(x)->store, XBT_NULL, path, nr);
}

int xenif_write(struct xenif *x, const char *path, const char *value)
{
	return xs_write(real(x)->store, XBT_NULL, path, value, strlen(value)) ?
	       0 : -errno;
}

static bool make_all(struct xs_handle *store, xs_transaction_t t, unsigned int nr,
		     const struct xenif_node *node)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		struct xs_permissions perms[2] = {
			{ .id = node[i].owner, .perms = XS_PERM_NONE },
			{ .id = node[i].reader, .perms = XS_PERM_READ },
		};

		if (!xs_write(store, t, node[i].path, node[i].value,
			      strlen(node[i].value)))
			return false;
		/* Nodes that are made below it inherit them. */
		if (node[i].owner >= 0 &&
		    !xs_set_permissions(store, t, node[i].path, perms, 2))
			return false;
	}
	return true;
}

int xenif_make(struct xenif *x, unsigned int nr, const struct xenif_node *node)
{
	struct xs_handle *store = real(x)->store;
	unsigned int tries;
	int rc;

	for (tries = 0; tries < 100; tries++) {
		xs_transaction_t t = xs_transaction_start(store);

		if (t == XBT_NULL)
			return -errno;
		if (!make_all(store, t, nr, node)) {
			rc = -errno;
			xs_transaction_end(store, t, true);
			return rc;
		}
		if (xs_transaction_end(store, t, false))
			return 0;
		if (errno != EAGAIN)
			return -errno;
	}
	return -EAGAIN;
}

int xenif_remove(struct xenif *x, const char *path)
{
	if (xs_rm(real(x)->store, XBT_NULL, path) || errno == ENOENT)
		return 0;
	return -errno;
}

int xenif_watch(struct xenif *x, const char *path, const char *token)
{
	return xs_watch(real(x)->store, path, token) ? 0 : -errno;
}

const char *xenif_next_watch(struct xenif *x)
{
	struct xenif_real *r = real(x);
	char **watch = xs_check_watch(r->store);

	if (!watch)
		return NULL;
	strncpy(r->token, watch[XS_WATCH_TOKEN], sizeof(r->token) - 1);
	free(watch);
	return r->token;
}
