// SPDX-License-Identifier: Apache-2.0
// ask.js ENDPOINT REGION KEY SECRET: AWS's JavaScript client. Each line in is {"op": ..., "in": {...}}, each line out {"out": {...}} or
// {"error": name, "message": ...}; "t:" before a number of `in` makes it a time.
const aws = require("@aws-sdk/client-cloudtrail");
const [endpoint, region, accessKeyId, secretAccessKey] = process.argv.slice(2);
const client = new aws.CloudTrailClient({ endpoint, region, credentials: { accessKeyId, secretAccessKey }, maxAttempts: 1 });
const lines = require("readline").createInterface({ input: process.stdin });

function times(value) {
	if (typeof value === "string" && value.startsWith("t:"))
		return new Date(Number(value.slice(2)) * 1000);
	if (Array.isArray(value))
		return value.map(times);
	if (value && typeof value === "object")
		return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, times(v)]));
	return value;
}

async function answer(line) {
	const { op, in: input } = JSON.parse(line);
	const Command = aws[op + "Command"];
	if (!Command)
		return { unknown: op };
	try {
		const { $metadata, ...out } = await client.send(new Command(times(input)));
		return { out, id: $metadata.requestId };
	} catch (e) {
		return { error: e.name, message: e.message };
	}
}

(async () => {
	for await (const line of lines)
		process.stdout.write(JSON.stringify(await answer(line)) + "\n");
})();
