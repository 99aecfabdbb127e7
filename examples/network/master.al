# The master of a network: it keeps the ledger that all others follow.
#
#   edgelake --serve process examples/network/master.al 32048

variables (own_port)

node_type = master
here = examples/network
if !network_dir then here = !network_dir

on error goto failed
process !here/defaults.al
process !here/storage.al
process !here/listen.al
process !here/follow.al
process !here/declare.al

:ready:
print "the master is ready"
end script

:failed:
print "the master did not start"
end script
