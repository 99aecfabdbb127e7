# A node in the style of a query node: it asks the operators that the ledger names, all at once,
# and reports who answered.
#
#   edgelake --serve -c "set master_node = 127.0.0.1:32048" process examples/network/query.al 32248

variables (own_port)

node_type = query
here = examples/network
if !network_dir then here = !network_dir
if not !operators_wanted then operators_wanted = 1
if not !patience then patience = 30

on error goto failed
process !here/defaults.al
process !here/storage.al
process !here/listen.al
process !here/follow.al
process !here/declare.al

:find:
# Operators may come later than this node: look until there are enough of them.
rounds = ""

:look:
names = blockchain get operator bring.json [operator][name]
if !names and !names.len >= !operators_wanted.int then goto ask
rounds = !rounds + .
if !rounds.len > !patience.int then goto too-few
in_step = wait 5 for sync
wait 0.2
goto look

:ask:
on error goto refused
replies{} = run client (operator, subset = true, timeout = 10) get status where format = json
all_there = wait 10 for !replies.diff == 0
print !replies.replies operators answered, !replies.diff did not
if !all_there == True then goto report
print "some did not answer; those that did:"

:report:
!replies

:by-table:
# The same by what they keep instead of by what they are.
on error goto refused
hosts[] = run client (dbms = orchard and table = gate) get processes where format = json
all_there = wait 10 for !hosts.diff == 0
print !hosts.replies operators keep orchard.gate

:ready:
print "the query node is ready"
end script

:too-few:
print "there are fewer operators than" !operators_wanted
goto ready

:refused:
print "the operators cannot be asked"
goto ready

:failed:
print "the query node did not start"
end script
