"""What one operator costs: counting rules, element-wise prices, and the kernel that attention runs on."""
