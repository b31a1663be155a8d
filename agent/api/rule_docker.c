/* SPDX-License-Identifier: Apache-2.0 */
/* rule_docker.c - the Docker Engine API (v1.24 to v1.47), by the operations of its reference. Of bodies: what a container or network is
 * made of and may do to the host; never the environment, labels, secrets, configs or anything that answers. */
#include <errno.h>

#include "jsonread.h"
#include "route.h"

#define BODY_MAX (32 * 1024)
#define WORDS_MAX 64
#define ROOM (16 * 1024)

/* A command line: secrets in it go by the rules for any command line. */
static int put_words(struct jsontext *j, const char *key, struct jsonread_value v)
{
	struct str words[WORDS_MAX], name;
	struct jsonread_value word;
	struct jsonread r;
	unsigned n = 0;
	char *room;

	if (v.kind == JSON_STRING)
		words[n++] = jsonread_text(j->arena, v);
	jsonread_begin(&r, v.text);
	while (v.kind == JSON_ARRAY && n < WORDS_MAX && jsonread_next(&r, &name, &word)) {
		words[n] = jsonread_text(j->arena, word);
		n += words[n].p != NULL;
	}
	if (!n || !words[0].p)
		return 0;
	room = api_arena_get(j->arena, ROOM);
	if (!room)
		return -ENOMEM;
	redact_argv(words, n, room, ROOM);
	jsontext_open(j, str_of(key), '[');
	for (unsigned i = 0; i < n; i++)
		secret_put(j, NO_KEY, words[i]);
	jsontext_close(j);
	if (r.close)
		j->omitted = true;	/* more words than places */
	return 0;
}

/* In the order in which they came; *ret_words: those of `words`, in the order of these. */
static void put_members(struct jsontext *j, struct str object, const char *names, unsigned depth, const char *const *words,
			struct jsonread_value *ret_words)
{
	struct jsonread_value v;
	struct jsonread r;
	struct str name;

	jsonread_begin(&r, object);
	while (r.close == '}' && jsonread_next(&r, &name, &v)) {
		if (v.kind != JSON_NULL && str_among(name, names))
			jsonread_copy(j, name, v, depth);
		for (unsigned i = 0; words && words[i]; i++)
			if (str_is(name, words[i]))
				ret_words[i] = v;
	}
}

static int container_body(struct jsontext *j, const struct http_call *call)
{
	static const char all[] = "Image User Hostname WorkingDir Tty OpenStdin";
	static const char host[] = "Privileged Binds Mounts NetworkMode PidMode IpcMode UTSMode UsernsMode CgroupnsMode CapAdd CapDrop SecurityOpt Devices "
				   "GroupAdd ReadonlyRootfs VolumesFrom PublishAllPorts AutoRemove Runtime CgroupParent";
	static const char *const words[] = { "Entrypoint", "Cmd", "HostConfig", NULL };
	struct jsonread_value v[3] = { 0 };
	int r;

	put_members(j, call->request.body.prefix, all, 1, words, v);
	r = put_words(j, words[0], v[0]);
	if (!r)
		r = put_words(j, words[1], v[1]);
	if (v[2].kind != JSON_OBJECT)
		return r;
	jsontext_open(j, STR("HostConfig"), '{');
	put_members(j, v[2].text, host, 4, NULL, NULL);
	jsontext_close(j);
	return r;
}

static int exec_body(struct jsontext *j, const struct http_call *call)
{
	static const char *const words[] = { "Cmd", NULL };
	struct jsonread_value v = { 0 };

	put_members(j, call->request.body.prefix, "User Privileged Tty AttachStdin WorkingDir Detach", 1, words, &v);
	return put_words(j, words[0], v);
}

static int network_body(struct jsontext *j, const struct http_call *call)
{
	put_members(j, call->request.body.prefix, "Name Driver Internal Attachable EnableIPv6 Container Force", 1, NULL, NULL);
	return 0;
}

#define M CATEGORY_MANAGEMENT
#define D CATEGORY_DATA
static const char list[] = "all filters size digests shared-size";

static const struct route routes[] = {
	{ "GET", "/containers/json", "ContainerList", M, true, list, NULL },
	{ "POST", "/containers/create", "ContainerCreate", M, false, "name platform", container_body },
	{ "POST", "/containers/prune", "ContainerPrune", M, false, "filters", NULL },
	{ "GET", "/containers/{id}/json", "ContainerInspect", M, true, NULL, NULL },
	{ "GET", "/containers/{id}/top", "ContainerTop", M, true, "ps_args", NULL },
	{ "GET", "/containers/{id}/logs", "ContainerLogs", D, true, "stdout stderr since until timestamps", NULL },
	{ "GET", "/containers/{id}/changes", "ContainerChanges", M, true, NULL, NULL },
	{ "GET", "/containers/{id}/export", "ContainerExport", D, true, NULL, NULL },
	{ "GET", "/containers/{id}/stats", "ContainerStats", M, true, "one-shot", NULL },
	{ "POST", "/containers/{id}/resize", "ContainerResize", M, false, "h w", NULL },
	{ "POST", "/containers/{id}/start", "ContainerStart", M, false, NULL, NULL },
	{ "POST", "/containers/{id}/stop", "ContainerStop", M, false, "signal t", NULL },
	{ "POST", "/containers/{id}/restart", "ContainerRestart", M, false, "signal t", NULL },
	{ "POST", "/containers/{id}/kill", "ContainerKill", M, false, "signal", NULL },
	{ "POST", "/containers/{id}/update", "ContainerUpdate", M, false, NULL, NULL },
	{ "POST", "/containers/{id}/rename", "ContainerRename", M, false, "name", NULL },
	{ "POST", "/containers/{id}/pause", "ContainerPause", M, false, NULL, NULL },
	{ "POST", "/containers/{id}/unpause", "ContainerUnpause", M, false, NULL, NULL },
	{ "POST", "/containers/{id}/attach", "ContainerAttach", M, false, "logs stdin stdout stderr", NULL },
	{ "GET", "/containers/{id}/attach/ws", "ContainerAttachWebsocket", M, false, "logs stdin stdout stderr", NULL },
	{ "POST", "/containers/{id}/wait", "ContainerWait", M, true, "condition", NULL },
	{ "DELETE", "/containers/{id}", "ContainerDelete", M, false, "v link", NULL },
	{ "HEAD", "/containers/{id}/archive", "ContainerArchiveInfo", D, true, "path", NULL },
	{ "GET", "/containers/{id}/archive", "ContainerArchive", D, true, "path", NULL },
	{ "PUT", "/containers/{id}/archive", "PutContainerArchive", D, false, "path noOverwriteDirNonDir copyUIDGID", NULL },
	{ "POST", "/containers/{id}/exec", "ContainerExec", M, false, NULL, exec_body },
	{ "POST", "/exec/{id}/start", "ExecStart", M, false, NULL, NULL },
	{ "POST", "/exec/{id}/resize", "ExecResize", M, false, "h w", NULL },
	{ "GET", "/exec/{id}/json", "ExecInspect", M, true, NULL, NULL },
	{ "GET", "/images/json", "ImageList", M, true, list, NULL },
	{ "POST", "/images/create", "ImageCreate", M, false, "fromImage fromSrc repo tag platform", NULL },
	{ "POST", "/images/load", "ImageLoad", D, false, "quiet platform", NULL },
	{ "POST", "/images/prune", "ImagePrune", M, false, "filters", NULL },
	{ "GET", "/images/search", "ImageSearch", M, true, "term filters", NULL },
	{ "GET", "/images/get", "ImageGetAll", D, true, "names", NULL },
	{ "GET", "/images/{name+}/json", "ImageInspect", M, true, NULL, NULL },
	{ "GET", "/images/{name+}/history", "ImageHistory", M, true, NULL, NULL },
	{ "GET", "/images/{name+}/get", "ImageGet", D, true, NULL, NULL },
	{ "POST", "/images/{name+}/push", "ImagePush", M, false, "tag platform", NULL },
	{ "POST", "/images/{name+}/tag", "ImageTag", M, false, "repo tag", NULL },
	{ "DELETE", "/images/{name+}", "ImageDelete", M, false, "noprune", NULL },
	{ "POST", "/build", "ImageBuild", M, false, "dockerfile t remote q nocache pull rm forcerm networkmode platform target", NULL },
	{ "POST", "/build/prune", "BuildPrune", M, false, "filters keep-storage", NULL },
	{ "POST", "/commit", "ImageCommit", M, false, "container repo tag comment author pause", NULL },
	{ "POST", "/auth", "SystemAuth", M, false, NULL, NULL },
	{ "GET", "/info", "SystemInfo", M, true, NULL, NULL },
	{ "GET", "/version", "SystemVersion", M, true, NULL, NULL },
	{ "GET HEAD", "/_ping", "SystemPing", M, true, NULL, NULL },
	{ "GET", "/events", "SystemEvents", M, true, "since until filters", NULL },
	{ "GET", "/system/df", "SystemDataUsage", M, true, NULL, NULL },
	{ "GET", "/volumes", "VolumeList", M, true, "filters", NULL },
	{ "POST", "/volumes/create", "VolumeCreate", M, false, NULL, network_body },
	{ "POST", "/volumes/prune", "VolumePrune", M, false, "filters", NULL },
	{ "GET", "/volumes/{name}", "VolumeInspect", M, true, NULL, NULL },
	{ "PUT", "/volumes/{name}", "VolumeUpdate", M, false, NULL, NULL },
	{ "DELETE", "/volumes/{name}", "VolumeDelete", M, false, NULL, NULL },
	{ "GET", "/networks", "NetworkList", M, true, "filters", NULL },
	{ "POST", "/networks/create", "NetworkCreate", M, false, NULL, network_body },
	{ "POST", "/networks/prune", "NetworkPrune", M, false, "filters", NULL },
	{ "GET", "/networks/{id}", "NetworkInspect", M, true, "scope", NULL },
	{ "DELETE", "/networks/{id}", "NetworkDelete", M, false, NULL, NULL },
	{ "POST", "/networks/{id}/connect", "NetworkConnect", M, false, NULL, network_body },
	{ "POST", "/networks/{id}/disconnect", "NetworkDisconnect", M, false, NULL, network_body },
	{ "GET", "/plugins", "PluginList", M, true, "filters", NULL },
	{ "GET", "/plugins/privileges", "GetPluginPrivileges", M, true, "remote", NULL },
	{ "POST", "/plugins/pull", "PluginPull", M, false, "remote name", NULL },
	{ "POST", "/plugins/create", "PluginCreate", M, false, "name", NULL },
	{ "GET", "/plugins/{name+}/json", "PluginInspect", M, true, NULL, NULL },
	{ "POST", "/plugins/{name+}/enable", "PluginEnable", M, false, NULL, NULL },
	{ "POST", "/plugins/{name+}/disable", "PluginDisable", M, false, NULL, NULL },
	{ "POST", "/plugins/{name+}/upgrade", "PluginUpgrade", M, false, "remote", NULL },
	{ "POST", "/plugins/{name+}/push", "PluginPush", M, false, NULL, NULL },
	{ "POST", "/plugins/{name+}/set", "PluginSet", M, false, NULL, NULL },
	{ "DELETE", "/plugins/{name+}", "PluginDelete", M, false, NULL, NULL },
	{ "GET", "/swarm", "SwarmInspect", M, true, NULL, NULL },
	{ "POST", "/swarm/init", "SwarmInit", M, false, NULL, NULL },
	{ "POST", "/swarm/join", "SwarmJoin", M, false, NULL, NULL },
	{ "POST", "/swarm/leave", "SwarmLeave", M, false, NULL, NULL },
	{ "POST", "/swarm/update", "SwarmUpdate", M, false, "rotateWorkerToken rotateManagerToken rotateManagerUnlockKey", NULL },
	{ "GET", "/swarm/unlockkey", "SwarmUnlockkey", M, true, NULL, NULL },
	{ "POST", "/swarm/unlock", "SwarmUnlock", M, false, NULL, NULL },
	{ "GET", "/nodes", "NodeList", M, true, "filters", NULL },
	{ "GET", "/nodes/{id}", "NodeInspect", M, true, NULL, NULL },
	{ "DELETE", "/nodes/{id}", "NodeDelete", M, false, NULL, NULL },
	{ "POST", "/nodes/{id}/update", "NodeUpdate", M, false, NULL, NULL },
	{ "GET", "/services", "ServiceList", M, true, "filters", NULL },
	{ "POST", "/services/create", "ServiceCreate", M, false, NULL, NULL },
	{ "GET", "/services/{id}", "ServiceInspect", M, true, "insertDefaults", NULL },
	{ "DELETE", "/services/{id}", "ServiceDelete", M, false, NULL, NULL },
	{ "POST", "/services/{id}/update", "ServiceUpdate", M, false, "registryAuthFrom rollback", NULL },
	{ "GET", "/services/{id}/logs", "ServiceLogs", D, true, "stdout stderr since timestamps", NULL },
	{ "GET", "/tasks", "TaskList", M, true, "filters", NULL },
	{ "GET", "/tasks/{id}", "TaskInspect", M, true, NULL, NULL },
	{ "GET", "/tasks/{id}/logs", "TaskLogs", D, true, "stdout stderr since timestamps", NULL },
	{ "GET", "/secrets", "SecretList", M, true, "filters", NULL },
	{ "POST", "/secrets/create", "SecretCreate", M, false, NULL, NULL },
	{ "GET", "/secrets/{id}", "SecretInspect", M, true, NULL, NULL },
	{ "DELETE", "/secrets/{id}", "SecretDelete", M, false, NULL, NULL },
	{ "POST", "/secrets/{id}/update", "SecretUpdate", M, false, NULL, NULL },
	{ "GET", "/configs", "ConfigList", M, true, "filters", NULL },
	{ "POST", "/configs/create", "ConfigCreate", M, false, NULL, NULL },
	{ "GET", "/configs/{id}", "ConfigInspect", M, true, NULL, NULL },
	{ "DELETE", "/configs/{id}", "ConfigDelete", M, false, NULL, NULL },
	{ "POST", "/configs/{id}/update", "ConfigUpdate", M, false, NULL, NULL },
	{ "GET", "/distribution/{name+}/json", "DistributionInspect", M, true, NULL, NULL },
	{ "POST", "/session", "Session", M, false, NULL, NULL },
};

/* "/v1.41/containers/json" is the rest and "1.41"; without a version the path is as it was. */
static struct str without_version(struct str path, struct str *ret_version)
{
	struct str rest = str_begins(path, "/v1.") ? str_from(path, 1) : (struct str){ 0 }, version = str_cut(&rest, '/');

	if (!rest.p || !str_digits(str_from(version, 3)) || version.n > 5)
		return path;
	*ret_version = str_from(version, 1);
	return (struct str){ rest.p - 1, rest.n + 1 };
}

static const struct route *find(const struct http_call *call, struct uri *ret_uri, struct str *ret_version, struct route_match *ret_match)
{
	struct str path;

	*ret_version = (struct str){ 0 };
	uri_split(call->request.head.target, ret_uri);
	path = without_version(ret_uri->path, ret_version);
	return route_find(routes, sizeof(routes) / sizeof(routes[0]), call->request.head.method, path, ret_match);
}

/* Without a version in the path, the port or the program must say that it is Docker. */
static bool match(const struct api_peer *peer, const struct http_call *call)
{
	struct str version, agent = api_field(&call->request.head, "user-agent");
	struct route_match m;
	struct uri u;

	if (!find(call, &u, &version, &m))
		return false;
	return version.p || peer->port == 2376 || str_begins_nocase(agent, "docker");
}

static void wants(const struct api_peer *peer, const struct http_call *call, struct http_wants *ret_wants)
{
	struct route_match m;
	struct str version;
	struct uri u;
	const struct route *route = find(call, &u, &version, &m);

	if (route && route->body)
		ret_wants->request = BODY_MAX;
}

/* Names and ids of containers, images and so on are none of them secrets: ids are 64 hexadecimal digits. */
static void put_labels(struct jsontext *j, const struct route_match *m)
{
	for (unsigned i = 0; i < m->n; i++)
		secret_put(j, m->name[i], uri_decode(j->arena, m->value[i], false));
}

static int describe(const struct api_peer *peer, const struct http_call *call, struct api_arena *a, struct api_call *ret_call)
{
	struct route_match m;
	struct str version;
	struct jsontext j;
	struct uri u;
	const struct route *route = find(call, &u, &version, &m);
	int r = 0;

	ret_call->event_source = STR("docker");
	ret_call->event_name = str_of(route->name);
	ret_call->api_version = version;
	ret_call->category = route->category;
	ret_call->read_only = route->read_only;
	jsontext_begin(&j, a);
	put_labels(&j, &m);
	if (u.query.n) {
		jsontext_open(&j, STR("query"), '{');
		secret_put_query(&j, u.query, route->query);
		jsontext_close(&j);
	}
	if (route->body && call->request.body.prefix.n)
		r = route->body(&j, call);
	return r ? r : jsontext_end(&j, &ret_call->request_parameters);
}

const struct api_rule api_rule_docker = { "docker", match, wants, describe, NULL, false };
