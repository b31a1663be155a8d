/* SPDX-License-Identifier: Apache-2.0 */
#include "schema.h"

#include <assert.h>
#include <string.h>

#include "lib/cleanup.h"

#define NODES_MAX 192

#define TEXT(name, path) { name, LAKE_TEXT, path, NULL, 0, -1, 0, 0 }
#define STRUCT(name, path, fields) { name, LAKE_STRUCT, path, fields, ARRAY_SIZE(fields), -1, 0, 0 }

#define ATTRIBUTES "userIdentity.sessionContext.attributes."
static struct lake_field attributes[] = {
	{ "creationdate", LAKE_TIME, ATTRIBUTES "creationDate", NULL, 0, -1, 0, 0 },
	TEXT("mfaauthenticated", ATTRIBUTES "mfaAuthenticated"),
};

#define ISSUER "userIdentity.sessionContext.sessionIssuer."
static struct lake_field issuer[] = {
	TEXT("type", ISSUER "type"), TEXT("principalid", ISSUER "principalId"), TEXT("arn", ISSUER "arn"),
	TEXT("accountid", ISSUER "accountId"), TEXT("username", ISSUER "userName"),
};

#define FEDERATION "userIdentity.sessionContext.webIdFederationData."
static struct lake_field federation[] = {
	TEXT("federatedprovider", FEDERATION "federatedProvider"),
	{ "attributes", LAKE_MAP, FEDERATION "attributes", NULL, 0, -1, 0, 0 },
};

#define SESSION "userIdentity.sessionContext."
static struct lake_field session[] = {
	STRUCT("attributes", SESSION "attributes", attributes),
	STRUCT("sessionissuer", SESSION "sessionIssuer", issuer),
	STRUCT("webidfederationdata", SESSION "webIdFederationData", federation),
	TEXT("sourceidentity", SESSION "sourceIdentity"),
	TEXT("ec2roledelivery", SESSION "ec2RoleDelivery"),
	TEXT("ec2issuedinvpc", SESSION "ec2IssuedInVpc"),
};

static struct lake_field behalf[] = {
	TEXT("userid", "userIdentity.onBehalfOf.userId"),
	TEXT("identitystorearn", "userIdentity.onBehalfOf.identityStoreArn"),
};

/* The odd name is CloudTrail Lake's. */
static struct lake_field scope[] = {
	TEXT("sourcearn", "userIdentity.inScopeOf.sourceArn"),
	TEXT("sourceaccount", "userIdentity.inScopeOf.sourceAccount"),
	TEXT("issuertype", "userIdentity.inScopeOf.issuerType"),
	TEXT("credentiaisissuedto", "userIdentity.inScopeOf.credentialsIssuedTo"),
};

static struct lake_field identity[] = {
	TEXT("type", "userIdentity.type"),
	TEXT("principalid", "userIdentity.principalId"),
	TEXT("arn", "userIdentity.arn"),
	TEXT("accountid", "userIdentity.accountId"),
	TEXT("accesskeyid", "userIdentity.accessKeyId"),
	TEXT("username", "userIdentity.userName"),
	STRUCT("sessioncontext", "userIdentity.sessionContext", session),
	STRUCT("onbehalfof", "userIdentity.onBehalfOf", behalf),
	STRUCT("inscopeof", "userIdentity.inScopeOf", scope),
	TEXT("invokedby", "userIdentity.invokedBy"),
	TEXT("identityprovider", "userIdentity.identityProvider"),
	TEXT("via", "userIdentity.via"),
	TEXT("reason", "userIdentity.reason"),
};

/* Paths in a resource, not in the record. */
static struct lake_field resource[] = {
	TEXT("accountid", "accountId"), TEXT("type", "type"), TEXT("arn", "ARN"), TEXT("arnprefix", "ARNPrefix"),
};

static struct lake_field tls[] = {
	TEXT("tlsversion", "tlsDetails.tlsVersion"),
	TEXT("ciphersuite", "tlsDetails.cipherSuite"),
	TEXT("clientprovidedhostheader", "tlsDetails.clientProvidedHostHeader"),
};

#define PROCESS "additionalEventData.process."
static struct lake_field process[] = {
	{ "pid", LAKE_INT, PROCESS "pid", NULL, 0, -1, 0, 0 },
	{ "starttime", LAKE_INT, PROCESS "startTime", NULL, 0, -1, 0, 0 },
	{ "threadid", LAKE_INT, PROCESS "threadId", NULL, 0, -1, 0, 0 },
	{ "parentpid", LAKE_INT, PROCESS "parent.pid", NULL, 0, -1, 0, 0 },
	{ "parentstarttime", LAKE_INT, PROCESS "parent.startTime", NULL, 0, -1, 0, 0 },
	TEXT("executable", PROCESS "executable.path"),
	TEXT("executablesha256", PROCESS "executable.sha256"),
	TEXT("command", PROCESS "command"),
	TEXT("cgroup", PROCESS "cgroup"),
	TEXT("container", PROCESS "container"),
	TEXT("tty", PROCESS "tty"),
	{ "sessionid", LAKE_INT, PROCESS "sessionId", NULL, 0, -1, 0, 0 },
	{ "uid", LAKE_INT, PROCESS "uids.uid", NULL, 0, -1, 0, 0 },
	{ "euid", LAKE_INT, PROCESS "uids.euid", NULL, 0, -1, 0, 0 },
	{ "loginuid", LAKE_INT, PROCESS "loginuid", NULL, 0, -1, 0, 0 },
};

struct lake_field lake_columns[] = {
	TEXT("eventversion", "eventVersion"),
	STRUCT("useridentity", "userIdentity", identity),
	{ "eventtime", LAKE_TIME, "eventTime", NULL, 0, -1, 0, 0 },
	TEXT("eventsource", "eventSource"),
	TEXT("eventname", "eventName"),
	TEXT("awsregion", "awsRegion"),
	TEXT("sourceipaddress", "sourceIPAddress"),
	TEXT("useragent", "userAgent"),
	TEXT("errorcode", "errorCode"),
	TEXT("errormessage", "errorMessage"),
	{ "requestparameters", LAKE_MAP, "requestParameters", NULL, 0, -1, 0, 0 },
	{ "responseelements", LAKE_MAP, "responseElements", NULL, 0, -1, 0, 0 },
	{ "additionaleventdata", LAKE_MAP, "additionalEventData", NULL, 0, -1, 0, 0 },
	TEXT("requestid", "requestID"),
	TEXT("eventid", "eventID"),
	{ "readonly", LAKE_BOOL, "readOnly", NULL, 0, -1, 0, 0 },
	{ "resources", LAKE_RESOURCES, "resources", resource, ARRAY_SIZE(resource), -1, 0, 0 },
	TEXT("eventtype", "eventType"),
	TEXT("apiversion", "apiVersion"),
	{ "managementevent", LAKE_BOOL, "managementEvent", NULL, 0, -1, 0, 0 },
	TEXT("recipientaccountid", "recipientAccountId"),
	TEXT("sharedeventid", "sharedEventID"),
	TEXT("annotation", "annotation"),
	TEXT("vpcendpointid", "vpcEndpointId"),
	TEXT("vpcendpointaccountid", "vpcEndpointAccountId"),
	{ "serviceeventdetails", LAKE_MAP, "serviceEventDetails", NULL, 0, -1, 0, 0 },
	{ "addendum", LAKE_MAP, "addendum", NULL, 0, -1, 0, 0 },
	{ "edgedevicedetails", LAKE_MAP, "edgeDeviceDetails", NULL, 0, -1, 0, 0 },
	{ "insightdetails", LAKE_MAP, "insightDetails", NULL, 0, -1, 0, 0 },
	TEXT("eventcategory", "eventCategory"),
	STRUCT("tlsdetails", "tlsDetails", tls),
	TEXT("sessioncredentialfromconsole", "sessionCredentialFromConsole"),
	{ "eventjson", LAKE_RECORD_TEXT, NULL, NULL, 0, -1, 0, 0 },
	TEXT("eventjsonchecksum", NULL),
	/* ours */
	{ "eventtimenanos", LAKE_INT, "additionalEventData.eventTimeNanos", NULL, 0, -1, 0, 0 },
	{ "receivedtime", LAKE_RECEIVED, NULL, NULL, 0, -1, 0, 0 },
	TEXT("hostid", "additionalEventData.hostId"),
	TEXT("hostname", "additionalEventData.hostname"),
	STRUCT("process", "additionalEventData.process", process),
	{ "journalposition", LAKE_POSITION, NULL, NULL, 0, -1, 0, 0 },
	{ "journalrecord", LAKE_NUMBER, NULL, NULL, 0, -1, 0, 0 },
};
const unsigned lake_ncolumns = ARRAY_SIZE(lake_columns);

static struct schema_node nodes[NODES_MAX];
static int nnodes, nslots;

static unsigned bucket(const char *key, size_t n)
{
	return n ? (unsigned)(n * 7 + (unsigned char)key[0] + 5u * (unsigned char)key[n / 2] + 3u * (unsigned char)key[n - 1]) % SCHEMA_BUCKETS : 0;
}

int schema_child(const struct schema_node *parent, const char *key, size_t n)
{
	int i = parent->first[bucket(key, n)];

	while (i >= 0 && (nodes[i].key_len != n || memcmp(nodes[i].key, key, n)))
		i = nodes[i].next;
	return i;
}

static int new_node(const char *key, unsigned n)
{
	assert(nnodes < NODES_MAX);
	nodes[nnodes] = (struct schema_node){ .key = key, .key_len = n, .slot = -1, .next = -1, .column = -1 };
	memset(nodes[nnodes].first, -1, sizeof(nodes[nnodes].first));
	return nnodes++;
}

static int child(int parent, const char *key, unsigned n)
{
	int i = schema_child(&nodes[parent], key, n);

	if (i >= 0)
		return i;
	i = new_node(key, n);
	nodes[i].next = nodes[parent].first[bucket(key, n)];
	nodes[parent].first[bucket(key, n)] = (int16_t)i;
	nodes[parent].inner = true;
	return i;
}

static int node_of(const char *path)
{
	int at = 0;

	while (*path) {
		size_t n = strcspn(path, ".");

		at = child(at, path, (unsigned)n);
		path += n + (path[n] == '.');
	}
	return at;
}

/* Gives how many columns without members they have. */
static unsigned add_fields(struct lake_field *f, unsigned n)
{
	unsigned leaves = 0;

	for (unsigned i = 0; i < n; i++) {
		if (f[i].path) {
			f[i].node = node_of(f[i].path);
			assert(nodes[f[i].node].slot < 0 && nslots < SCHEMA_SLOTS_MAX);
			nodes[f[i].node].slot = f[i].slot = nslots++;
		}
		f[i].nleaves = f[i].type == LAKE_STRUCT ? add_fields(f[i].fields, f[i].nfields) :
			       f[i].type == LAKE_RESOURCES ? f[i].nfields :
			       f[i].type == LAKE_MAP ? 2 : 1;
		leaves += f[i].nleaves;
	}
	return leaves;
}

void schema_init(void)
{
	unsigned leaves;

	if (nnodes)
		return;
	new_node("", 0);
	leaves = add_fields(lake_columns, lake_ncolumns);
	assert(leaves <= SCHEMA_LEAVES_MAX);
	for (unsigned i = 0; i < lake_ncolumns; i++)
		if (lake_columns[i].path)
			nodes[lake_columns[i].node].column = (int)i;
}

const struct schema_node *schema_nodes(void)
{
	return nodes;
}

static duckdb_logical_type struct_type(const struct lake_field *f)
{
	duckdb_logical_type types[16], t;
	const char *names[16];

	assert(f->nfields <= ARRAY_SIZE(types));
	for (unsigned i = 0; i < f->nfields; i++) {
		types[i] = schema_type(&f->fields[i]);
		names[i] = f->fields[i].name;
	}
	t = duck.create_struct_type(types, names, f->nfields);
	for (unsigned i = 0; i < f->nfields; i++)
		duck.destroy_logical_type(&types[i]);
	return t;
}

static duckdb_logical_type map_type(void)
{
	duckdb_logical_type text = duck.create_logical_type(DUCKDB_TYPE_VARCHAR), t = duck.create_map_type(text, text);

	duck.destroy_logical_type(&text);
	return t;
}

duckdb_logical_type schema_type(const struct lake_field *f)
{
	duckdb_logical_type one, list;

	switch (f->type) {
	case LAKE_BOOL:
		return duck.create_logical_type(DUCKDB_TYPE_BOOLEAN);
	case LAKE_INT:
	case LAKE_POSITION:
	case LAKE_NUMBER:
		return duck.create_logical_type(DUCKDB_TYPE_BIGINT);
	case LAKE_TIME:
	case LAKE_RECEIVED:
		return duck.create_logical_type(DUCKDB_TYPE_TIMESTAMP);
	case LAKE_MAP:
		return map_type();
	case LAKE_STRUCT:
		return struct_type(f);
	case LAKE_RESOURCES:
		one = struct_type(f);
		list = duck.create_list_type(one);
		duck.destroy_logical_type(&one);
		return list;
	case LAKE_TEXT:
	case LAKE_RECORD_TEXT:
		break;
	}
	return duck.create_logical_type(DUCKDB_TYPE_VARCHAR);
}

int schema_list(struct buf *out)
{
	for (unsigned i = 0; i < lake_ncolumns; i++)
		buf_addf(out, "%s%s", i ? ", " : "", lake_columns[i].name);
	return out->failed ? -1 : 0;
}
