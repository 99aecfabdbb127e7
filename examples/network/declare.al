# Declares this node in the ledger, if no policy says so yet: a policy of the node's type, built
# key by key, sent to the master, and waited for.
#
#   process examples/network/declare.al

:look:
on error ignore
policy_id = blockchain get !node_type where name = !node_name and company = !company_name bring.first [*][id]
if !policy_id then goto known

:build:
on error goto not-built
new_policy = ""
set policy new_policy [!node_type] = {}
set policy new_policy [!node_type][name] = !node_name
set policy new_policy [!node_type][company] = !company_name
set policy new_policy [!node_type][ip] = !own_ip and [!node_type][port] = !own_port.int
if !overlay_ip != !own_ip then set policy new_policy [!node_type][local_ip] = !overlay_ip
if !cluster_id then set policy new_policy [!node_type][cluster] = !cluster_id
if !node_type == operator then
do set policy new_policy [operator][main] = true.bool
do set policy new_policy [operator][member] = 1.int

# What people want to know about the node, and no service needs.
about = {
    "note": "declared by a script",
    "contact": {"team": !company_name, "rooms": ["gate", "pump # 2"]},
    "port": !own_port
}
new_policy[!node_type][about] = !about

:insert:
on error goto not-inserted
if !node_type == master then blockchain insert where policy = !new_policy and local = true and master = !own_ip:!own_port
else blockchain insert where policy = !new_policy and local = true and master = !master_node

:wait:
on error goto not-inserted
policy_id = blockchain get !node_type where name = !node_name bring.first [*][id]
in_step = wait !sync_wait for sync

:known:
print policy !policy_id declares the !node_type !node_name
end script

:not-built:
print "the policy of this node cannot be built"
exit scripts

:not-inserted:
print "the policy of this node was not taken"
exit scripts
