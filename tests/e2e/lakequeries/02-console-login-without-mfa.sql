SELECT * FROM $EDS_ID WHERE eventsource = 'signin.amazonaws.com' AND eventname = 'ConsoleLogin' AND element_at(additionaleventdata, 'MFAUsed') = 'No'
