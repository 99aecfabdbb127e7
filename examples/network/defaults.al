# Settings of a node that its own script did not make: from the environment if it has them,
# else as here. Each one is made only if it is missing, so that a value set before this script
# runs, or a variable given on the command line, stays.
#
#   process examples/network/defaults.al

:identity:
if not !node_name and $EDGELAKE_NODE_NAME then node_name = $EDGELAKE_NODE_NAME
if not !node_name then node_name = !node_type + - + !own_port
if not !company_name and $EDGELAKE_COMPANY then company_name = $EDGELAKE_COMPANY
if not !company_name then company_name = "Fen Works"

:addresses:
# own_ip is the address by which other nodes reach this one, overlay_ip one that is preferred
# when both stand behind the same router.
if not !own_ip and $EDGELAKE_IP then own_ip = $EDGELAKE_IP
if not !own_ip then own_ip = 127.0.0.1
if not !overlay_ip then overlay_ip = !own_ip
if not !tcp_bind then tcp_bind = true
if not !tcp_threads then tcp_threads = 2

:ledger:
if not !sync_time then sync_time = 2 seconds
if not !sync_wait then sync_wait = 30
if !node_type != master and not !master_node then goto missing-master

:checks:
on error goto wrong-port
if !own_port.int < 1 then goto wrong-port
if !own_port.int > 65535 then goto wrong-port
if not !own_port.int then goto wrong-port
on error end script

:shown:
print node !node_name of !company_name at !own_ip:!own_port
if !master_node then print it follows the master at !master_node
end script

:missing-master:
print "a node that is no master needs the address of one"
print "set it first: set master_node = 127.0.0.1:32048"
exit scripts

:wrong-port:
print "own_port is no port:" !own_port
exit scripts
