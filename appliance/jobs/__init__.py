"""Long work is a row: lock, stage, whole percent, pause, cancel; what a power cut interrupts goes on."""
