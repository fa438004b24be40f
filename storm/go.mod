module example.com/restart/storm

go 1.26.0
