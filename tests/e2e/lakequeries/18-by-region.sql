SELECT awsRegion, eventSource, COUNT(*) AS apiCount FROM $EDS_ID WHERE eventTime > '2020-01-01 00:00:00' GROUP BY awsRegion, eventSource ORDER BY apiCount DESC
