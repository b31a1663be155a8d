SELECT day_of_week(eventTime) AS weekday, COUNT(*) AS events FROM $EDS_ID WHERE eventCategory = 'Data' GROUP BY day_of_week(eventTime) ORDER BY day_of_week(eventTime)
