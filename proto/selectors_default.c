// SPDX-License-Identifier: Apache-2.0
/* selectors_default.c - what is recorded where nobody said otherwise; docs/selectors.md explains it. */
#include "selectors.h"

static const char text[] =
	"[\n"
	"  {\"Name\": \"all management events\", \"FieldSelectors\": [\n"
	"    {\"Field\": \"eventCategory\", \"Equals\": [\"Management\"]}]},\n"
	"  {\"Name\": \"all network activity\", \"FieldSelectors\": [\n"
	"    {\"Field\": \"eventCategory\", \"Equals\": [\"NetworkActivity\"]}]},\n"
	"  {\"Name\": \"file changes, and files opened for writing\", \"FieldSelectors\": [\n"
	"    {\"Field\": \"eventCategory\", \"Equals\": [\"Data\"]},\n"
	"    {\"Field\": \"readOnly\", \"Equals\": [\"false\"]},\n"
	"    {\"Field\": \"path\", \"NotEquals\": [\"/dev/null\", \"/dev/tty\"]}]},\n"
	"  {\"Name\": \"sensitive files that are read\", \"FieldSelectors\": [\n"
	"    {\"Field\": \"eventCategory\", \"Equals\": [\"Data\"]},\n"
	"    {\"Field\": \"readOnly\", \"Equals\": [\"true\"]},\n"
	"    {\"Field\": \"path\",\n"
	"     \"StartsWith\": [\"/etc/passwd\", \"/etc/shadow\", \"/etc/gshadow\", \"/etc/sudoers\", \"/etc/ssh/\", \"/etc/pam.d/\",\n"
	"      \"/etc/ssl/private/\", \"/etc/pki/tls/private/\", \"/etc/krb5.keytab\", \"/etc/kubernetes/\", \"/etc/hosttrail/\",\n"
	"      \"/root/.ssh/\", \"/root/.aws/\", \"/root/.gnupg/\", \"/root/.kube/\", \"/var/lib/hosttrail/\", \"/var/spool/cron/\",\n"
	"      \"/run/secrets/\", \"/var/run/secrets/\", \"/dev/mem\", \"/dev/kmem\", \"/proc/kcore\"],\n"
	"     \"EndsWith\": [\".pem\", \".key\", \".p12\", \".pfx\", \".jks\", \".kdbx\", \".keytab\", \"/.ssh/authorized_keys\", \"/.ssh/id_rsa\",\n"
	"      \"/.ssh/id_dsa\", \"/.ssh/id_ecdsa\", \"/.ssh/id_ed25519\", \"/.aws/credentials\", \"/.azure/credentials\",\n"
	"      \"/.config/gcloud/credentials.db\", \"/.docker/config.json\", \"/.kube/config\", \"/.netrc\", \"/.pgpass\",\n"
	"      \"/.git-credentials\", \"/.bash_history\"],\n"
	"     \"NotStartsWith\": [\"/etc/ssl/certs/\", \"/usr/share/\", \"/usr/lib/\"]}]},\n"
	"  {\"Name\": \"API calls inside TLS that read data\", \"FieldSelectors\": [\n"
	"    {\"Field\": \"eventCategory\", \"Equals\": [\"Data\"]},\n"
	"    {\"Field\": \"readOnly\", \"Equals\": [\"true\"]},\n"
	"    {\"Field\": \"eventType\", \"Equals\": [\"AwsApiCall\", \"HostTlsApiCall\"]}]}\n"
	"]\n";

const char *selectors_default_text(void)
{
	return text;
}
