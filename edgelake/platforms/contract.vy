# pragma version ~=0.4.3
# pragma evm-version london
"""
@title   The shared ledger of policies
@license Apache-2.0
@notice  Keeps policies by id, in an order that a delete changes: the last takes the free place.
@dev     Anybody may insert and delete; whoever inserted may update. A policy is stored once,
         under the hash of its id; the order is a list of these hashes, so that a delete moves
         one word whatever the policies' sizes.
"""

MAX_ID: constant(uint256) = 256
MAX_JSON: constant(uint256) = 24576

event delete_policy_event:
    deleted: bool

event get_policy_event:
    json: String[MAX_JSON]

event get_policy_owner_event:
    owner: address

event updated_policy_event:
    policy_id: String[MAX_ID]
    json: String[MAX_JSON]

num_policies: public(uint256)
transaction_count: public(uint256)

key_at: HashMap[uint256, bytes32]
entry_of: HashMap[bytes32, uint256]  # place from 1 in the upper 96 bits, owner in the lower 160
id_of: HashMap[bytes32, String[MAX_ID]]
json_of: HashMap[bytes32, String[MAX_JSON]]


@internal
@pure
def _entry(place: uint256, owner: address) -> uint256:
    return (place << 160) | convert(owner, uint256)


@internal
@view
def _place(key: bytes32) -> uint256:
    return self.entry_of[key] >> 160


@internal
@view
def _owner(key: bytes32) -> address:
    return convert(self.entry_of[key] & convert(max_value(uint160), uint256), address)


@external
def insert(policy_id: String[MAX_ID], json: String[MAX_JSON]):
    key: bytes32 = keccak256(policy_id)
    assert self._place(key) == 0, "Policy with policy id already exists"
    self.key_at[self.num_policies] = key
    self.num_policies += 1
    self.transaction_count += 1
    self.entry_of[key] = self._entry(self.num_policies, msg.sender)
    self.id_of[key] = policy_id
    self.json_of[key] = json


@external
def updatePolicy(policy_id: String[MAX_ID], json: String[MAX_JSON]):
    key: bytes32 = keccak256(policy_id)
    assert self._place(key) != 0, "Policy ID does not exist"
    assert self._owner(key) == msg.sender, "Only policy owner can update policy"
    self.json_of[key] = json
    self.transaction_count += 1
    log updated_policy_event(policy_id=policy_id, json=json)


@external
def deletePolicy(policy_id: String[MAX_ID]):
    key: bytes32 = keccak256(policy_id)
    place: uint256 = self._place(key)
    assert place != 0, "Policy ID does not exist"
    last: uint256 = self.num_policies - 1
    moved: bytes32 = self.key_at[last]
    self.key_at[place - 1] = moved
    self.entry_of[moved] = self._entry(place, self._owner(moved))
    self.key_at[last] = empty(bytes32)
    self.entry_of[key] = 0
    self.num_policies = last
    self.transaction_count += 1
    log delete_policy_event(deleted=True)


@external
def getPolicy(policy_id: String[MAX_ID]):
    key: bytes32 = keccak256(policy_id)
    assert self._place(key) != 0, "Policy does not exist"
    log get_policy_event(json=self.json_of[key])


@external
def getPolicyOwner(policy_id: String[MAX_ID]):
    log get_policy_owner_event(owner=self._owner(keccak256(policy_id)))


@external
@view
def policies(index: uint256) -> String[MAX_JSON]:
    assert index < self.num_policies
    return self.json_of[self.key_at[index]]


@external
@view
def policy_ids(index: uint256) -> String[MAX_ID]:
    assert index < self.num_policies
    return self.id_of[self.key_at[index]]
