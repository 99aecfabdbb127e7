# Folders of the node, and the database that holds its copy of the ledger.
#
#   process examples/network/storage.al

:folders:
on error goto no-folders
create work directories

:database:
on error goto no-database
connect dbms blockchain where type = sqlite

# The table may be there from an earlier run: creating it again changes nothing.
on error goto no-table
create table ledger where dbms = blockchain
end script

:no-folders:
print "the folders of the node cannot be made at" !edgelake_path
exit scripts

:no-database:
print "the database of the ledger cannot be opened in" !dbms_dir
exit scripts

:no-table:
print "the table ledger cannot be made"
exit scripts
