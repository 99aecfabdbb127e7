# A node in the style of an operator: it belongs to a cluster, which it declares if nobody did,
# and answers those who query.
#
#   edgelake --serve -c "set master_node = 127.0.0.1:32048" process examples/network/operator.al 32148 grove

variables (own_port, cluster_name)

node_type = operator
here = examples/network
if !network_dir then here = !network_dir

on error goto failed
process !here/defaults.al
process !here/storage.al
process !here/listen.al
process !here/follow.al

:cluster:
call find-cluster
if !cluster_id then goto declare

# Nobody declared it: declare it, wait until the master has it, and look again.
new_cluster = ""
set policy new_cluster [cluster] = {} and [cluster][name] = !cluster_name and [cluster][company] = !company_name
new_cluster[cluster][table] = [{"dbms": "orchard", "name": "gate"}, {"dbms": "orchard", "name": "pump"}]
blockchain insert where policy = !new_cluster and local = true and master = !master_node
in_step = wait !sync_wait for sync
call find-cluster
if not !cluster_id then goto no-cluster

:declare:
process !here/declare.al

:peers:
# Which others keep the same data? Their addresses are in the ledger; one that is down is told.
others = blockchain get operator where cluster = !cluster_id bring.ip_port separator = ,
print operators of the cluster !cluster_name: !others

:ready:
print "the operator is ready"
end script

:find-cluster:
cluster_id = blockchain get cluster where name = !cluster_name and company = !company_name bring.first [cluster][id]
return

:no-cluster:
print "the cluster" !cluster_name "was not taken by the master"
end script

:failed:
print "the operator did not start"
end script
