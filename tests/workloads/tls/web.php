<?php
// SPDX-License-Identifier: Apache-2.0
// web.php N URL: N requests through PHP's streams.
$context = stream_context_create(["ssl" => ["verify_peer" => false, "verify_peer_name" => false]]);
for ($i = 0; $i < (int)$argv[1]; $i++)
	file_get_contents($argv[2], false, $context);
