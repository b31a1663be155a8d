SELECT eventSource, eventName, sourceIPAddress, eventTime, errorCode FROM $EDS_ID WHERE userIdentity.accessKeyId = 'AKIA3' AND eventTime > '2020-01-01 00:00:00' ORDER BY eventTime
