package org.apache.hadoop.fs.local;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

import org.apache.hadoop.fs.Path;

/** Records the file-system calls below one folder, and makes one of them fail. */
public final class Faults {
    private static String below = "";
    private static String wanted = "";
    private static int occurrence = 0;
    private static int seen = 0;
    private static List<String> calls = new ArrayList<>();

    private Faults() {
    }

    /** Record calls below a folder from now on. The nth call of a kind fails; none fails when the kind is empty. */
    public static synchronized void arm(String folder, String kind, int nth) {
        below = folder;
        wanted = kind;
        occurrence = nth;
        seen = 0;
        calls = new ArrayList<>();
    }

    public static synchronized void disarm() {
        below = "";
    }

    /** The kinds of the recorded calls, in order. */
    public static synchronized List<String> calls() {
        return new ArrayList<>(calls);
    }

    /** The number of the recorded calls. */
    public static synchronized int count() {
        return calls.size();
    }

    /** Whether the call that had to fail has failed. */
    public static synchronized boolean fired() {
        return !wanted.isEmpty() && seen >= occurrence;
    }

    static synchronized void call(String operation, Path path) throws IOException {
        String file = path.toUri().getPath();
        if (below.isEmpty() || !file.startsWith(below)) {
            return;
        }
        String kind = operation + " " + kindOf(file.substring(below.length()));
        calls.add(kind);
        if (kind.equals(wanted) && ++seen == occurrence) {
            throw new IOException("injected fault: " + kind);
        }
    }

    /** A path without the parts that differ between runs: ids, versions, task numbers. */
    private static String kindOf(String path) {
        return path.replaceAll("[0-9a-f]{8}-[0-9a-f-]{27,}", "#").replaceAll("[0-9]{8}T[0-9]{6}-[0-9a-f]+", "#")
            .replaceAll("part-[0-9]+", "part-#").replaceAll("[0-9]{20}", "#").replaceAll("\\.[0-9a-f]{8,}", ".#");
    }
}
