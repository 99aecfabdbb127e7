#!/bin/sh
# What a node says to calls that are wrong: the number is the status of the answer, which is
# always one JSON object {"code", "error", "hint"}. Variables as in curl.sh.
: "${node:=127.0.0.1:32049}" "${peer:=127.0.0.1:32148}"

# 400 no command
curl -X GET "http://$node" -H "User-Agent: AnyLog/1.23"

# 400 no command in the body
curl -X POST "http://$node" -H 'Content-Type: application/json' -d '{"AnyLog-Agent": "AnyLog/1.23"}'

# 400 a command that does not exist
curl -X GET "http://$node" -H "command: get statsu" -H "User-Agent: AnyLog/1.23"

# 400 two commands, one of them in the body
curl -X POST "http://$node" -H "command: set a = 1" --data-raw 'set b = 2'

# 405 GET changes nothing
curl -X GET "http://$node" -H "command: set plant = fen" -H "User-Agent: AnyLog/1.23"

# 405 POST is not for questions in the header
curl -X POST "http://$node" -H "command: get status" -H "User-Agent: AnyLog/1.23"

# 405 a method that is for nothing
curl -X DELETE "http://$node" -H "command: get status"

# 404 a path that is none
curl -X GET "http://$node/nosuch" -H "command: get status"

# 400 the body is no JSON
curl -X POST "http://$node" -H "Content-Type: application/json" -d '{"command": "get status", "User-Agent: AnyLog/1.23"}'

# 400 a key that is none
curl -X POST "http://$node" -d '{"comand": "get status"}'

# 400 an address that is none
curl -X GET "http://$node" -H "command: get status" -H "destination: nowhere"

# 404 no policy names a node
curl -X GET "http://$node" -H "command: get status" -H "destination: (operator where company = nobody)"

# 502 nobody listens there
curl -X GET "http://$node" -H "command: get status" -H "destination: 127.0.0.1:1"

# 502 one of two nodes does not listen
curl -X GET "http://$node" -H "command: get status where format = json" -H "destination: $peer, 127.0.0.1:1"

# 502 the other node refuses
curl -X POST "http://$node" -H "command: set plant = fen" -H "destination: $peer"

# 422 a policy that is none
curl -X POST "http://$node" -H "command: blockchain insert where policy=!new_policy and local=true" --data-raw '<new_policy={"device": 5}>'

# 400 a policy that is no JSON
curl -X POST "http://$node" -H "command: blockchain insert where policy=!new_policy and local=true" --data-raw '<new_policy={"device": >'

# 400 a variable that nobody set
curl -X POST "http://$node" -H "command: blockchain insert where policy=!new_policy and local=true"

# 400 rows without a table
curl -X PUT "http://$node" -H "type: json" -H "dbms: plant1" --data-raw '[{"value": 1}]'

# 400 a row that is broken
curl -X PUT "http://$node" -H "dbms: plant1" -H "table: motors" --data-raw '[{"value": 1}, {"value": }]'

# 400 rows that are no JSON
curl -X PUT "http://$node" -H "type: csv" -H "dbms: plant1" -H "table: motors" --data-raw '1,2,3'

# 503 messages that nobody takes
curl -X POST "http://$node" -H "command: data" -H "topic: readings" -H "User-Agent: nobody/1.0" --data-raw '{"value": 1}'

# 400 a form with a file
curl -X POST "http://$node" -H "command: set plant = fen" -F "file=@$0"

# 431 a command that is too long for a header
curl -X POST "http://$node" -H "command: set a = $(printf '%070000d' 0)"

# 413 a body that is too large
head -c 17000000 /dev/zero | tr '\0' x | curl -X POST "http://$node" -H "Expect:" --data-binary @-
