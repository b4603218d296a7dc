// SPDX-License-Identifier: GPL-2.0
/*
 * Sabotage of xen-migrate, preloaded into the pager: pages that come back aren't
 * marked for the migration.
 */
int xendevicemodel_modified_memory_bulk(void);

int xendevicemodel_modified_memory_bulk(void)
{
	return 0;
}
