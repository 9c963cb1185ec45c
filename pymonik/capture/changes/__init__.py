"""What is changed in place is seen: containers, classes, and bytes that objects hold."""
