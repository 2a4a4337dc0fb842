package org.apache.hadoop.fs.local;

import java.io.FilterOutputStream;
import java.io.IOException;
import java.io.OutputStream;

import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.LocalFileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.permission.FsPermission;
import org.apache.hadoop.util.Progressable;

/** The local file system for Hadoop's FileSystem API. Each call can be made to fail. */
public class FailingFileSystem extends LocalFileSystem {
    @Override
    public FSDataInputStream open(Path path, int bufferSize) throws IOException {
        Faults.call("open", path);
        return super.open(path, bufferSize);
    }

    @Override
    public FSDataOutputStream create(Path path, FsPermission permission, boolean overwrite, int bufferSize,
        short replication, long blockSize, Progressable progress) throws IOException {
        Faults.call("create", path);
        return closing(super.create(path, permission, overwrite, bufferSize, replication, blockSize, progress), path);
    }

    @Override
    public boolean rename(Path from, Path to) throws IOException {
        Faults.call("rename", to);
        return super.rename(from, to);
    }

    @Override
    public boolean delete(Path path, boolean recursive) throws IOException {
        Faults.call("delete", path);
        return super.delete(path, recursive);
    }

    @Override
    public FileStatus[] listStatus(Path path) throws IOException {
        Faults.call("list", path);
        return super.listStatus(path);
    }

    @Override
    public boolean mkdirs(Path path) throws IOException {
        Faults.call("mkdirs", path);
        return super.mkdirs(path);
    }

    @Override
    public boolean mkdirs(Path path, FsPermission permission) throws IOException {
        Faults.call("mkdirs", path);
        return super.mkdirs(path, permission);
    }

    @Override
    public FileStatus getFileStatus(Path path) throws IOException {
        Faults.call("status", path);
        return super.getFileStatus(path);
    }

    /** A stream whose close may fail, as on a full disk: some bytes are written, but the file is not complete. */
    static FSDataOutputStream closing(FSDataOutputStream stream, Path path) throws IOException {
        OutputStream failing = new FilterOutputStream(stream) {
            private boolean closed;

            @Override
            public void write(byte[] bytes, int offset, int length) throws IOException {
                out.write(bytes, offset, length);
            }

            @Override
            public void close() throws IOException {
                if (closed) {
                    return;
                }
                closed = true;
                try {
                    Faults.call("close", path);
                } finally {
                    super.close();
                }
            }
        };
        return new FSDataOutputStream(failing, null);
    }
}
