/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "lib/fsx.h"
#include "up.h"

/* key: "text", quoted so that any path is good YAML. */
static void put_text(struct buf *b, const char *key, const char *text)
{
	struct json_object *o = json_object_new_string(text);

	buf_addf(b, "%s: %s\n", key, json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(o);
}

static void put_path(struct buf *b, const struct instance *i, const char *key, const char *rest)
{
	char path[PATH_MAX];

	instance_path(i, rest, path);
	put_text(b, key, path);
}

static void put_head(struct buf *b)
{
	buf_adds(b, "# Written by `hosttrail up` at every start; changes are lost.\n");
}

static int write_config(const struct instance *i, const char *name, struct buf *b)
{
	char path[PATH_MAX];
	int r;

	instance_path(i, name, path);
	r = b->failed ? -ENOMEM : fsx_replace(path, b->p, b->n, 0644);
	if (r < 0)
		complain("%s: %s", path, strerror(-r));
	return r;
}

/* Trails of this instance may deliver to a directory beside the journal. A line of `buckets` is words: where the path has blanks or
 * quotes, there is none. */
static void put_bucket(struct buf *b, const struct instance *i)
{
	char path[PATH_MAX];

	instance_path(i, "store/logs", path);
	if (path[0] == '/' && !strpbrk(path, " \t\"\\'"))
		buf_addf(b, "buckets:\n  - \"logs %s\"\n", path);
}

int up_config_store(const struct instance *i, const struct up_options *o)
{
	_cleanup_buf_ struct buf b = { 0 };

	put_head(&b);
	put_path(&b, i, "data_dir", "store");
	put_text(&b, "api_listen", o->api_listen);
	put_text(&b, "ingest_listen", o->ingest_listen);
	put_path(&b, i, "ca", "pki/ca.crt");
	put_path(&b, i, "cert", "pki/store.crt");
	put_path(&b, i, "key", "pki/store.key");
	put_path(&b, i, "credentials", "credentials");
	put_path(&b, i, "sign_key", "key/store.key");
	put_path(&b, i, "host_id", "key/store_id");
	put_text(&b, "region", o->region);
	put_text(&b, "account", o->account);
	put_bucket(&b, i);
	buf_addf(&b, "user: \"%d\"\ngroup: \"%d\"\n", UP_UID_STORE, UP_GID);
	return write_config(i, "etc/hosttrail-store.yaml", &b);
}

int up_config_forward(const struct instance *i, uint16_t ingest_port)
{
	_cleanup_buf_ struct buf b = { 0 };

	put_head(&b);
	put_path(&b, i, "spool_dir", "spool");
	put_path(&b, i, "cursor_dir", "cursor");
	buf_addf(&b, "stores:\n  - \"127.0.0.1:%u\"\n", ingest_port);
	put_path(&b, i, "ca", "pki/ca.crt");
	put_path(&b, i, "cert", "pki/host.crt");
	put_path(&b, i, "key", "pki/host.key");
	put_path(&b, i, "status_socket", "run/hosttrail-forward.sock");
	buf_addf(&b, "user: \"%d\"\ngroup: \"%d\"\n", UP_UID_FORWARD, UP_GID);
	return write_config(i, "etc/hosttrail-forward.yaml", &b);
}

int up_config_agent(const struct instance *i, const struct up_options *o, pid_t tree)
{
	_cleanup_buf_ struct buf b = { 0 };
	char text[64];

	put_head(&b);
	put_path(&b, i, "state_dir", "key");
	put_path(&b, i, "spool_dir", "spool");
	put_path(&b, i, "cursor", "cursor/cursor");
	put_path(&b, i, "status_socket", "run/hosttraild.sock");
	up_pin_name(i, text);
	put_text(&b, "instance", text);
	snprintf(text, sizeof(text), "tree %d", (int)tree);
	put_text(&b, "scope", tree ? text : o->scope);
	put_text(&b, "selectors", o->selectors);
	put_text(&b, "region", o->region);
	put_text(&b, "account", o->account);
	buf_addf(&b, "user: \"%d\"\ngroup: \"%d\"\n", UP_UID_AGENT, UP_GID);
	return write_config(i, "etc/hosttraild.yaml", &b);
}
