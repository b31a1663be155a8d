// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "hostinfo.h"
#include "lib/fsx.h"
#include "proto/recordread.h"

/* First line of a small file; "" when there is none. */
static void read_line(const char *path, char *out, size_t max)
{
	_cleanup_buf_ struct buf b = { 0 };

	out[0] = 0;
	if (fsx_read(path, 4096, &b) < 0)
		return;
	snprintf(out, max, "%.*s", (int)strcspn(buf_text(&b), "\n"), buf_text(&b));
}

static void uuid_of_machine(const char *machine, char out[40])
{
	if (strlen(machine) == 32)
		snprintf(out, 40, "%.8s-%.4s-%.4s-%.4s-%.12s", machine, machine + 8, machine + 12, machine + 16,
			 machine + 20);
	else
		snprintf(out, 40, "00000000-0000-0000-0000-000000000000");
}

void hostinfo_read(struct hostinfo *h, const char *region, const char *account)
{
	struct utsname u = { .nodename = "" };

	memset(h, 0, sizeof(*h));
	uname(&u);
	read_line("/etc/machine-id", h->machine_id, sizeof(h->machine_id));
	read_line("/proc/sys/kernel/random/boot_id", h->boot_id, sizeof(h->boot_id));
	uuid_of_machine(h->machine_id, h->host_id);
	snprintf(h->hostname, sizeof(h->hostname), "%s", u.nodename);
	snprintf(h->kernel, sizeof(h->kernel), "%s", u.release);
	snprintf(h->version, sizeof(h->version), "%s", HOSTTRAIL_VERSION);
	snprintf(h->region, sizeof(h->region), "%s", region && region[0] ? region : "local");
	snprintf(h->account, sizeof(h->account), "%s", account && account[0] ? account : "000000000000");
}

int hostinfo_id(struct hostinfo *h, const char *path)
{
	_cleanup_buf_ struct buf b = { 0 };
	char text[40];
	uint8_t id[16];
	int r = fsx_read(path, 4096, &b);

	if (r < 0)
		return r;
	snprintf(text, sizeof(text), "%.*s", (int)strcspn(buf_text(&b), "\n"), buf_text(&b));
	if (uuid_parse(text, id) < 0)
		return -EBADMSG;
	uuid_text(id, h->host_id);
	return 0;
}

void hostinfo_record(const struct hostinfo *h, struct record_host *ret_h)
{
	*ret_h = (struct record_host){
		.host_id = h->host_id, .machine_id = h->machine_id, .boot_id = h->boot_id, .hostname = h->hostname,
		.kernel_release = h->kernel, .agent_version = h->version, .region = h->region, .account = h->account,
	};
}
