#!/bin/sh
# A node by curl. Each call stands for itself; all of them, one after the other:
#
#   node=10.0.0.7:32049 here=10.0.0.7:32048 peer=10.0.0.8:32048 sh examples/rest/curl.sh
#
# node: a REST server; here: the TCP server of the same node; peer: the TCP server of its master.
# Callers need the level admin for some: set rest anonymous = admin, or a user (curl -u).
: "${node:=127.0.0.1:32049}" "${here:=127.0.0.1:32048}" "${peer:=127.0.0.1:32148}"

# Ask a node
curl -X GET http://$node -H "command: get status" -H "User-Agent: AnyLog/1.23"

# Ask a node, with long options
curl --location --request GET "$node" \
--header 'command: get processes' \
--header 'User-Agent: AnyLog/1.23' \
-w "\n"

# JSON in the place of a table
curl -X GET http://$node -H "command: get processes where format = json" -H "User-Agent: AnyLog/1.23"

# JSON of any command
curl -X GET http://$node -H 'command: get status' -H 'Accept: application/json'

# Say who calls as pages in a browser do
curl -X GET "http://$node" -H 'command: get connections' -H 'AnyLog-Agent: AnyLog/1.23'

# Help
curl -X GET "http://$node" -H 'command: help blockchain insert' -H 'User-Agent: AnyLog/1.23'

# The address alone
curl "http://$node/?command=get%20status"

# The address alone, as existing nodes want it
curl "http://$node/?User-Agent=AnyLog/1.23?command=get%20status%20where%20format%20=%20json"

# The address alone, written by curl
curl --get "http://$node" --data-urlencode "command=get status" --data-urlencode "destination=$peer"

# A JSON body
curl -X POST "http://$node" \
  -H 'Content-Type: application/json' \
  -d '{"command": "get status", "AnyLog-Agent": "AnyLog/1.23"}'

# A JSON body with variables
curl --location --request POST "http://$node" \
--header 'Content-Type: application/json' \
--data '{
  "command": "get !given",
  "variables": {"given": {"machine": "mill 7"}}
}'

# A JSON body for another node
curl -X POST "http://$node" -H 'Content-Type: application/json' \
  -d "{\"command\": \"get status\", \"AnyLog-Agent\": \"AnyLog/1.23\", \"destination\": \"$peer\"}"

# A command that does something
curl --location --request POST "$node" \
--header 'User-Agent: AnyLog/1.23' \
--header 'command: set plant_name = fen'

# Commands in the lines of a body
curl -X POST "http://$node" -H "User-Agent: AnyLog/1.23" -H "Content-Type: text/plain" --data-raw 'set plant_line = 2
get !plant_name
get !plant_line'

# A variable for later calls
curl -X POST "http://$node" -H "command: set master_node = $peer" -H "AnyLog-Agent: AnyLog/1.23"

# Another node
curl -X GET "$node" -H "command: get status" -H "User-Agent: AnyLog/1.23" -H "destination: $peer"

# Another node, by a variable of this one
curl -X GET "$node" -H "command: get status" -H "destination: !master_node"

# Another node, and JSON
curl -X GET "$node" -H "command: get status where format = json" -H "User-Agent: AnyLog/1.23" -H "destination: $peer"

# Several nodes
curl -X GET "http://$node" -H "command: get status" -H "User-Agent: AnyLog/1.23" -H "destination: $peer, $here"

# Several nodes, and JSON
curl --location --request GET "http://$node" \
--header "destination: ($peer,$here)" \
--header 'User-Agent: AnyLog/1.23' \
--header 'command: get status where format = json'

# Those of several nodes that answer within two seconds
curl -X GET "http://$node" -H "command: get status" -H "destination: $peer, 127.0.0.1:1" -H "subset: true" -H "timeout: 2"

# This node, and no other
curl -X GET "http://$node" -H "command: get status" -H "User-Agent: AnyLog/1.23" -H "destination: local"

# A policy, by a variable of the body
curl -X POST -H "command: blockchain insert where policy=!new_policy and local=true and master=$peer" -H "User-Agent: AnyLog/1.23" --data-raw "<new_policy={\"device\": {\"id\": \"curl-mill\", \"name\": \"mill 7\", \"company\": \"acme\"}}>" "http://$node"

# A policy over several lines
curl --location --request POST "$node" \
--header "command: blockchain insert where policy = !new_policy and local = true and master = $peer" \
--header 'Content-Type: text/plain' \
--header 'User-Agent: AnyLog/1.23' \
--data-raw '<new_policy = {"query" : {"id" : "curl-query",
           "name" : "wall",
           "company" : "acme",
           "ip" : "'${here%:*}'",
           "port" : '${here#*:}'}}>'

# A policy for the master's table
curl --location --request POST "http://$node" \
--header 'command: blockchain push !sensor' \
--header "destination: $peer" \
--header 'Content-Type: text/plain' \
--data-raw '<sensor = {"sensor" : {"id" : "curl-sensor",
            "name" : "level 3"}}>'

# The same with a JSON body
curl -X POST "http://$node" -H 'Content-Type: application/json' -d "{
  \"command\": \"blockchain insert where policy = !new_policy and local = true and master = $peer\",
  \"variables\": {\"new_policy\": {\"publisher\": {
    \"id\": \"curl-publisher\", \"name\": \"fen\", \"company\": \"acme\", \"ip\": \"${peer%:*}\", \"port\": ${peer#*:}
  }}}
}"

# Find policies
curl -X GET "http://$node" -H "command: blockchain get device where company = acme" -H "User-Agent: AnyLog/1.23"

# Policies that are not there
curl -X GET "http://$node" -H "command: blockchain get device where company = nobody" -H "User-Agent: AnyLog/1.23"

# Policies of another node
curl -X GET "http://$node" -H "command: blockchain get *" -H "User-Agent: AnyLog/1.23" -H "destination: $peer"

# Parts of policies
curl --location --request GET "$node" \
--header 'User-Agent: AnyLog/1.23' \
--header 'command: blockchain get (publisher, query) where company = "acme" bring [*][name] separator = \n'

# Nodes that policies name
curl -X GET "http://$node" -H "command: get status" -H "destination: (publisher where company = acme)"

# All nodes that policies name
curl -X GET "http://$node" -H "command: get status" -H "User-Agent: AnyLog/1.23" -H "destination: network"

# Take the policies back
curl -X POST "http://$node" -d "
blockchain delete policy where id = curl-mill and local = true and master = $peer
blockchain delete policy where id = curl-query and local = true and master = $peer
blockchain delete policy where id = curl-publisher and local = true and master = $peer"

# Take the policy of the master's table back
curl -X POST "http://$node" -H 'command: blockchain drop policy where id = curl-sensor' -H "destination: $peer"

# Rows as a file
curl --location --request PUT "$node" \
--header 'type: json' \
--header 'dbms: plant1' \
--header 'table: motors' \
--header 'Content-Type: text/plain' \
--header 'User-Agent: AnyLog/1.23' \
-w "\n" \
--data-raw '[{"machine": "mill 7", "value": 7.10, "ts": "2026-11-23T23:05:09Z"},
             {"machine": "mill 8", "value": 7.2, "ts": "2026-11-23T23:05:10Z"}]'

# Rows one by one
curl -X PUT "http://$node" \
  -H "type: json" \
  -H "dbms: plant1" \
  -H "table: motors" \
  -H "mode: streaming" \
  -H "User-Agent: AnyLog/1.23" \
  --data '{"machine": "mill 7", "value": 7.3, "ts": "2026-11-23T23:05:11Z"}'

# Rows of a pipe, compressed
printf '{"value": %s}\n' 1 2 3 | gzip -c | curl -X PUT "http://$node" -H 'dbms: plant1' -H 'table: levels' -H 'Content-Encoding: gzip' --data-binary @-

# Say what messages become
curl -X POST "http://$node" -H 'command: run msg client where broker=rest and user-agent=AnyLog and topic=(name=readings and dbms="bring [dbms]" and table="bring [table]" and column.ts.timestamp="bring [ts]" and column.value.float="bring [value]")' -H "User-Agent: AnyLog/1.23"

# Messages
curl --location --request POST "$node" \
--header 'User-Agent: AnyLog/1.23' \
--header 'command: data' \
--header 'topic: readings' \
--header 'Content-Type: text/plain' \
--data-raw ' [{"dbms" : "plant1", "table" : "levels", "value": 50, "ts": "2026-11-23T23:05:09.051101Z"},
 {"dbms" : "plant1", "table" : "gates", "value": 501, "ts": "2026-11-23T23:05:10.050101Z"}]'

# Messages without a command
curl -X POST "http://$node" -A AnyLog/1.23 -d '{"dbms": "plant1", "table": "gates", "value": 502, "ts": 1700000000}'

# What came in
curl -X POST "http://$node" -H 'Content-Type: application/json' -d '{"command": "get streaming where format = json"}'

# End it
curl -X POST "http://$node" -H "command: exit msg client all" -H "User-Agent: AnyLog/1.23"

# Who called
curl -X GET "http://$node" -H "command: get rest calls" -H "User-Agent: AnyLog/1.23"

# Metrics
curl "http://$node/metrics"

# Health
curl "http://$node/healthz"
