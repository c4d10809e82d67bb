"""Where the nRF5340's cores have their memories."""

# The network core's flash lies at 0x0100_0000, its UICR at 0x01FF_8000 (product specification of
# the nRF5340, memory map); nothing else does up to 0x0200_0000.
NETWORK_ADDRESSES = range(0x0100_0000, 0x0200_0000)
