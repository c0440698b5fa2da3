#!/bin/sh
# Opens the SSH ports of a firewall of nftables for leases: sallyport gateway run --lease-hook /usr/local/sbin/sallyport-lease
#
# Your own rules decide what is closed; this fills a chain that one of them jumps to:
#
#   table inet filter {
#     chain sallyport_leases { }
#     chain input {
#       type filter hook input priority 0; policy drop;
#       ct state established,related accept
#       iif lo accept
#       meta l4proto ipv6-icmp accept
#       jump sallyport_leases
#     }
#   }
#
# Every element has its time in the kernel, so a hole closes even if nobody is there to close it. A file with "flush
# ruleset" empties the chain too; restart the companion after it, which then fills it again.
set -efu
PATH=/usr/sbin:/usr/bin:/sbin:/bin
table='inet filter'
chain=sallyport_leases

# One set for each length of prefix: networks inside one another are then elements of different sets, and none of them is
# ever taken for another.
set_for() {
  case $1 in
    *:*) family=ip6 type=ipv6_addr bits=128 ;;
    *) family=ip type=ipv4_addr bits=32 ;;
  esac
  address=${1%/*}
  prefix=$bits
  case $1 in */*) prefix=${1#*/} ;; esac
  set=${chain}_${family}_$prefix
}

# The part of a source address that counts, for the rule that looks it up.
source_address() {
  if [ "$prefix" = "$bits" ]; then
    printf '%s saddr' "$family"
    return
  fi
  if [ "$family" = ip ]; then group_bits=8 separator=. format=%d; else group_bits=16 separator=: format=%x; fi
  mask='' left=$prefix group=0
  while [ "$group" -lt $((bits / group_bits)) ]; do
    ones=$((left < 0 ? 0 : left > group_bits ? group_bits : left))
    value=$((((1 << group_bits) - 1) ^ ((1 << (group_bits - ones)) - 1)))
    mask=$mask${mask:+$separator}$(printf "$format" "$value")
    left=$((left - group_bits)) group=$((group + 1))
  done
  printf '%s saddr & %s' "$family" "$mask"
}

# The chain, the set, and the rule that looks into it; what is there stays.
prepare() {
  nft -f - <<END
add table $table
add chain $table $chain
add set $table $set { type $type . inet_service; flags timeout; }
END
  case $(nft list chain $table $chain) in
    *"@$set "*) ;;
    *) nft add rule $table $chain $(source_address) . tcp dport "@$set" accept ;;
  esac
}

is_open() { nft get element $table "$set" "{ $address . $1 }" >/dev/null 2>&1; }

case ${1-} in
  add)
    set_for "$2"
    prepare
    # An element keeps the time that it was added with: to extend it is to replace it, in one transaction.
    if is_open "$3"; then old="delete element $table $set { $address . $3 }"; else old=''; fi
    nft -f - <<END
$old
add element $table $set { $address . $3 timeout ${4}s }
END
    ;;
  remove)
    # Who is connected stays connected: the companion ends those whose session has ended.
    set_for "$2"
    if is_open "$3"; then nft delete element $table "$set" "{ $address . $3 }"; fi
    ;;
  list)
    nft list sets inet | sed -nE "s/^[[:space:]]*set (${chain}_ip6?_[0-9]+) \{\$/\1/p" | while read -r set; do
      case $set in *_32 | *_128) suffix='' ;; *) suffix=/${set##*_} ;; esac
      nft list set $table "$set" | tr ',{}' '\n\n\n' |
        sed -nE "s|^[[:space:]]*([0-9a-f.:]+) \. ([0-9]+)( timeout.*)?\$|\1$suffix \2|p"
    done
    ;;
  *)
    echo "usage: $0 add ADDRESS PORT SECONDS | remove ADDRESS PORT 0 | list" >&2
    exit 2
    ;;
esac
