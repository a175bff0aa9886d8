"""The image floor: the built image in a virtual machine.  Runs by ``./run-tests.sh --image`` only."""
