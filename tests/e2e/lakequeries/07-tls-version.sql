SELECT eventName, awsRegion, sourceIPAddress, recipientAccountId, tlsDetails.tlsversion FROM $EDS_ID WHERE tlsDetails.tlsversion != 'TLSv1.3' AND eventTime > '2020-01-01 00:00:00'
