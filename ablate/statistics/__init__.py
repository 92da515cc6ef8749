"""What repeated values say: means, differences, intervals. numpy and scipy only."""
